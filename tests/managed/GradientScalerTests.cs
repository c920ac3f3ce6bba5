using Optim.Tests.Support;

namespace Optim.Tests;

public sealed class GradientScalerTests : IDisposable
{
    private const float Start = 2f;

    private readonly Engine _engine = TestDevice.Open();
    private readonly Tensor _value;
    private readonly Tensor _gradient;
    private readonly Optimizer _optimizer;

    public GradientScalerTests()
    {
        _value = Tensor.Allocate(_engine, DType.Float32, 2);
        _gradient = Tensor.Allocate(_engine, DType.Float32, 2);
        _value.CopyFrom([Start, Start]);
        _optimizer = Optimizer.Create(
            "sgd",
            _engine,
            [new Parameter(_value, _gradient)],
            new Dictionary<string, double> { ["lr"] = 1 }
        );
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _gradient.Dispose();
        _value.Dispose();
        _engine.Dispose();
    }

    [Fact]
    public void Scaled_gradients_step_and_overflow_skips()
    {
        using var scaler = new GradientScaler(_engine, new AmpScaling { InitScale = 8, GrowthInterval = 2 });
        Assert.Equal(8, scaler.GetScale());
        Assert.Equal([8.0], scaler.Scale.ToDoubles());

        Cycle(scaler, 8, 16);
        Assert.Equal([1.0, 0.0], _value.ToDoubles());
        Assert.Equal([8.0, 16.0], _gradient.ToDoubles());

        Cycle(scaler, 8, 8);
        Assert.Equal([0.0, -1.0], _value.ToDoubles());
        Assert.Equal(16, scaler.GetScale());

        Cycle(scaler, float.NaN, 16);
        Assert.Equal([0.0, -1.0], _value.ToDoubles());
        Assert.Equal(2, _optimizer.StepCount());
        Assert.Equal(8, scaler.GetScale());
        Assert.Equal([0.0], scaler.FoundInf.ToDoubles());
    }

    [Fact]
    public void Gradients_are_unscaled_once()
    {
        using var scaler = new GradientScaler(_engine, new AmpScaling { InitScale = 4 });
        _gradient.CopyFrom([4f, 8f]);
        scaler.Unscale(_optimizer);
        Assert.Equal([1.0, 2.0], _gradient.ToDoubles());
        Assert.Throws<InvalidOperationException>(() => scaler.Unscale(_optimizer));
        scaler.Step(_optimizer);
        Assert.Equal([1.0, 0.0], _value.ToDoubles());
        Assert.Throws<InvalidOperationException>(() => scaler.Unscale(_optimizer));
        Assert.Throws<InvalidOperationException>(() => scaler.Step(_optimizer));
        scaler.Update();

        _gradient.CopyFrom([4f, float.PositiveInfinity]);
        scaler.Unscale(_optimizer);
        scaler.Step(_optimizer);
        Assert.Equal([1.0], scaler.FoundInf.ToDoubles());
        scaler.Update();
        Assert.Equal([1.0, 0.0], _value.ToDoubles());
        Assert.Equal(2, scaler.GetScale());
    }

    [Fact]
    public void An_overflow_skips_the_optimizers_that_come_after()
    {
        using var value = Tensor.Allocate(_engine, DType.Float32, 1);
        using var gradient = Tensor.Allocate(_engine, DType.Float32, 1);
        gradient.CopyFrom([1f]);
        using var second = Optimizer.Create("sgd", _engine, [new Parameter(value, gradient)]);
        using var scaler = new GradientScaler(_engine);
        _gradient.CopyFrom([float.NaN, 0f]);
        scaler.Step(_optimizer);
        scaler.Step(second);
        scaler.Update();
        Assert.Equal((0, 0), (_optimizer.StepCount(), second.StepCount()));
        Assert.Equal(32768, scaler.GetScale());
        scaler.Step(second);
        Assert.Equal(1, second.StepCount());
    }

    [Fact]
    public void A_useless_scale_is_a_failure()
    {
        using var scaler = new GradientScaler(_engine, new FairseqScaling { InitScale = 0.0625 });
        Assert.False(scaler.HasFailed());
        Cycle(scaler, float.NaN, 0);
        Assert.True(scaler.HasFailed());
        Assert.Equal(0.0625, scaler.GetScale());
    }

    [Theory]
    [MemberData(nameof(Scalings))]
    public void State_survives(LossScaling scaling, LossScaling other)
    {
        using var whole = new GradientScaler(_engine, scaling);
        bool[] overflows = [false, true, false, false, true, true, false, false, false, true, false, false];
        foreach (var overflow in overflows[..7])
        {
            Move(whole, overflow);
        }

        var state = whole.StateDict();
        using var resumed = new GradientScaler(_engine, other);
        resumed.LoadStateDict(state);
        Assert.Equal(state, resumed.StateDict());
        foreach (var overflow in overflows[7..])
        {
            Move(whole, overflow);
            Move(resumed, overflow);
            Assert.Equal(whole.StateDict(), resumed.StateDict());
        }

        Assert.NotEqual(state, whole.StateDict());
    }

    public static TheoryData<LossScaling, LossScaling> Scalings() =>
        new()
        {
            { new AmpScaling { GrowthInterval = 3, GrowthFactor = 4, BackoffFactor = 0.25 }, new AmpScaling() },
            { new FairseqScaling { ScaleWindow = 2, ScaleFactor = 4, Tolerance = 0.25 }, new FairseqScaling() },
        };

    [Fact]
    public void Names_of_the_state_are_those_of_torch()
    {
        using var scaler = new GradientScaler(_engine);
        Cycle(scaler, 0, 0);
        Assert.Equal(
            new Dictionary<string, double>
            {
                ["scale"] = 65536,
                ["growth_factor"] = 2,
                ["backoff_factor"] = 0.5,
                ["growth_interval"] = 2000,
                ["_growth_tracker"] = 1,
            },
            scaler.StateDict()
        );
    }

    [Theory]
    [InlineData("scale", null, "lacks \"scale\"")]
    [InlineData("_iter", 1.0, "has \"_iter\", which AmpScaling has not")]
    [InlineData("_growth_tracker", -1.0, "_growth_tracker = -1")]
    [InlineData("_growth_tracker", 0.5, "_growth_tracker = 0.5")]
    [InlineData("growth_interval", 0.0, "growth_interval = 0")]
    [InlineData("scale", double.NaN, "init_scale is ")]
    [InlineData("scale", 1e300, "init_scale is 1")]
    [InlineData("backoff_factor", 1.0, "backoff_factor is 1")]
    public void A_state_that_does_not_fit_is_refused_and_changes_nothing(string name, double? value, string part)
    {
        using var scaler = new GradientScaler(_engine, new AmpScaling { InitScale = 4 });
        var state = new Dictionary<string, double>(scaler.StateDict());
        if (value is { } number)
        {
            state[name] = number;
        }
        else
        {
            state.Remove(name);
        }

        var before = scaler.StateDict();
        var message = Assert.Throws<OptimException>(() => scaler.LoadStateDict(state)).Message;
        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Equal(before, scaler.StateDict());
    }

    [Fact]
    public void Settings_are_refused_by_name()
    {
        Refuse("growth_factor", new AmpScaling { GrowthFactor = 0.5 });
        Refuse("backoff_factor", new AmpScaling { BackoffFactor = 1 });
        Refuse("init_scale", new AmpScaling { InitScale = -1 });
        Refuse("growth_interval", new AmpScaling { GrowthInterval = -1 });
        Refuse("tolerance", new FairseqScaling { Tolerance = 2 });
        Refuse("threshold", new FairseqScaling { Threshold = -1 });
        Refuse("min_scale", new FairseqScaling { MinLossScale = double.NaN });
        Assert.Equal(
            "ScaleWindow",
            Assert
                .Throws<ArgumentOutOfRangeException>(() =>
                    new GradientScaler(_engine, new FairseqScaling { ScaleWindow = 0 }))
                .ParamName
        );

        void Refuse(string name, LossScaling scaling) =>
            Assert.Contains(
                name,
                Assert.Throws<OptimException>(() => new GradientScaler(_engine, scaling)).Message,
                StringComparison.Ordinal
            );
    }

    [Fact]
    public void A_disposed_scaler_refuses()
    {
        var scaler = new GradientScaler(_engine);
        var scale = scaler.Scale;
        scaler.Dispose();
        scaler.Dispose();
        Assert.Throws<ObjectDisposedException>(() => scaler.Update());
        Assert.Throws<ObjectDisposedException>(() => scaler.Step(_optimizer));
        Assert.Throws<ObjectDisposedException>(() => scaler.GetScale());
        Assert.Throws<ObjectDisposedException>(() => scale.ToDoubles());
    }

    private static void Move(GradientScaler scaler, bool overflow)
    {
        scaler.FoundInf.CopyFrom([overflow ? 1f : 0f]);
        scaler.Update();
    }

    private void Cycle(GradientScaler scaler, float first, float second)
    {
        _gradient.CopyFrom([first, second]);
        scaler.Step(_optimizer);
        scaler.Update();
    }
}
