using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Each helper as a function of its own, against its formula.</summary>
public sealed class HelperFunctionTests : TensorFixture
{
    [Fact]
    public void Unscale_divides_and_flags()
    {
        var gradient = Matrix([4, 8], [-2, 0]);
        var scale = Float(4);
        var flag = Float(0);
        HelperFunctions.Unscale(Engine, [gradient], scale, flag);
        AssertValues([1, 2, -0.5, 0], gradient);
        AssertValues([0], flag);

        HelperFunctions.Unscale(Engine, [gradient, Matrix([double.NaN, 1])], scale, flag);
        AssertValues([1], flag);
    }

    [Fact]
    public void Clip_grad_value_clamps()
    {
        var gradient = Matrix([4, 0.25], [-2, -0.5]);
        HelperFunctions.ClipGradValue(Engine, [gradient], 0.5);
        AssertValues([0.5, 0.25, -0.5, -0.5], gradient);
    }

    [Theory]
    [InlineData(2, 13)] // sqrt(3^2 + 4^2 + 12^2)
    [InlineData(1, 19)]
    [InlineData(double.PositiveInfinity, 12)]
    public void Clip_grad_norm_scales_all_tensors_together(double normType, double norm)
    {
        var first = Matrix([3, 4]);
        var second = Matrix([-12]);
        Assert.Equal(norm, HelperFunctions.ClipGradNorm(Engine, [first, second], 100, normType), 1e-6);
        AssertValues([3, 4], first);

        Assert.Equal(norm, HelperFunctions.ClipGradNorm(Engine, [first, second], 1, normType), 1e-6);
        AssertValues([3 / (norm + 1e-6), 4 / (norm + 1e-6)], first);
        AssertValues([-12 / (norm + 1e-6)], second);
    }

    [Fact]
    public void Agc_limits_rows_by_their_parameter()
    {
        var parameter = Matrix([3, 4], [0, 0]);
        var gradient = Matrix([6, 8], [3, 4]);
        HelperFunctions.Agc(Engine, [parameter], [gradient], clipVal: 0.1, epsilon: 0.5);
        AssertValues([0.3, 0.4, 0.03, 0.04], gradient); // limits 0.1 * 5 and 0.1 * 0.5
    }

    [Fact]
    public void Centralize_subtracts_the_mean_of_rows()
    {
        var matrix = Matrix([1, 3], [5, 5]);
        var vector = Tensor([1, 3], 2);
        HelperFunctions.Centralize(Engine, [matrix, vector]);
        AssertValues([-1, 1, 0, 0], matrix);
        AssertValues([1, 3], vector);

        var other = Matrix([1, 3]);
        HelperFunctions.Centralize(Engine, [other], convOnly: true);
        AssertValues([1, 3], other);
    }

    [Fact]
    public void Normalize_divides_by_the_standard_deviation()
    {
        var tensor = Matrix([1, 2], [3, 4]);
        HelperFunctions.Normalize(Engine, [tensor], epsilon: 0.5);
        var deviation = Math.Sqrt(5.0 / 3) + 0.5;
        AssertValues([1 / deviation, 2 / deviation, 3 / deviation, 4 / deviation], tensor);

        var rows = Matrix([1, 3], [10, 14]);
        HelperFunctions.Normalize(Engine, [rows], channels: true);
        AssertValues([1 / Math.Sqrt(2), 3 / Math.Sqrt(2), 10 / Math.Sqrt(8), 14 / Math.Sqrt(8)], rows);
    }

    [Fact]
    public void Norm_loss_pulls_rows_to_norm_one()
    {
        var parameter = Matrix([3, 4], [0.6, 0.8]);
        HelperFunctions.NormLoss(Engine, [parameter], learningRate: 0.5, factor: 0.1);
        AssertValues([3 * 0.92, 4 * 0.92, 0.6, 0.8], parameter); // 1 - 2 * 0.5 * 0.1 * (1 - 1/5)
    }

    [Fact]
    public void Stable_weight_decay_divides_by_the_root_mean_second_moment()
    {
        var parameter = Matrix([1, -2]);
        var moment = Matrix([0.5, 1.5]);
        var rms = HelperFunctions.StableWeightDecay(
            Engine,
            [parameter],
            [moment],
            learningRate: 0.5,
            weightDecay: 0.1,
            beta2: 0.5,
            step: 1
        );
        Assert.Equal(Math.Sqrt(2), rms, 1e-6); // mean 1, divided by 1 - 0.5
        AssertValues([1 - (0.05 / rms), -2 * (1 - (0.05 / rms))], parameter);
    }

    [Fact]
    public void Lookahead_meets_half_way()
    {
        var fast = Matrix([1, 2]);
        var slow = Matrix([3, 6]);
        HelperFunctions.Lookahead(Engine, [fast], [slow], alpha: 0.25);
        AssertValues([2.5, 5], fast);
        AssertValues([2.5, 5], slow);
    }

    [Fact]
    public void Unit_norms_are_those_of_rows()
    {
        Assert.Equal([5.0, 13], HelperFunctions.UnitNorm(Engine, Matrix([3, 4], [5, -12])));
        Assert.Equal([5.0], HelperFunctions.UnitNorm(Engine, Tensor([3, 4], 2)));
        Assert.Empty(HelperFunctions.UnitNorm(Engine, Tensor([], 0, 4)));
    }

    [Fact]
    public void Bad_input_is_refused_by_name()
    {
        var one = Matrix([1, 2]);
        var other = Matrix([1, 2, 3]);
        Assert.Throws<ArgumentNullException>("engine", () => HelperFunctions.Centralize(null!, [one]));
        Assert.Throws<ArgumentNullException>("gradients[1]", () => HelperFunctions.Centralize(Engine, [one, null!]));
        Assert.Throws<ArgumentNullException>(
            "gradScale",
            () => HelperFunctions.Unscale(Engine, [one], null!, Float(0))
        );
        Assert.Throws<ArgumentException>("foundInf", () => HelperFunctions.Unscale(Engine, [one], Float(1), one));
        Assert.Throws<ArgumentException>("gradients", () => HelperFunctions.Agc(Engine, [one], []));
        Assert.Throws<ArgumentException>(
            "secondMoments",
            () => HelperFunctions.StableWeightDecay(Engine, [one], [], 1, 1, 0.9, 1)
        );
        Assert.Throws<ArgumentException>("slowParameters", () => HelperFunctions.Lookahead(Engine, [], [one]));
        Assert.Throws<ArgumentNullException>("tensor", () => HelperFunctions.UnitNorm(Engine, null!));
        Assert.Throws<OptimException>(() => HelperFunctions.Agc(Engine, [one], [other]));
        Assert.Throws<OptimException>(() => HelperFunctions.ClipGradValue(Engine, [one], double.NaN));
        Assert.Throws<OptimException>(() => HelperFunctions.ClipGradNorm(Engine, [one], 1, normType: 3));
        Assert.Throws<OptimException>(() => HelperFunctions.Lookahead(Engine, [one], [other]));
        AssertValues([1, 2], one);
    }

    private Tensor Float(double value) => Tensor([value], 1);

    private Tensor Matrix(params double[][] rows) =>
        Tensor([.. rows.SelectMany(row => row)], rows.Length, rows[0].Length);

    private Tensor Tensor(double[] values, params ReadOnlySpan<long> shape) => Allocate(DType.Float32, values, shape);

    private static void AssertValues(double[] expected, Tensor actual)
    {
        var values = actual.ToDoubles();
        Assert.Equal(expected.Length, values.Length);
        for (var i = 0; i < values.Length; i++)
        {
            Assert.Equal(expected[i], values[i], 1e-6 * Math.Max(1, Math.Abs(expected[i])));
        }
    }
}
