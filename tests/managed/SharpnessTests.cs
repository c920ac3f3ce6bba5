using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>The wrapper for sharpness-aware minimization.</summary>
public sealed class SharpnessTests
{
    // The loss |p|^2 / 2 of every parameter: the gradient is the parameter itself.
    private static double Bowl(Model model)
    {
        foreach (var parameter in model.Parameters)
        {
            parameter.Gradient!.CopyFromDoubles(parameter.Value.ToDoubles());
        }

        return model.Values.Sum(value => value * value) / 2;
    }

    [Fact]
    public void A_checkpoint_restores_the_options_of_every_group()
    {
        using var scratch = new Scratch();
        using var model = new Model();
        using var optimizer = model.Optimizer("adamw");
        var options = new SharpnessOptions { Rho = 0.5, Adaptive = true, PerturbEpsilon = 0.25, UseGc = true, AsamEta = 0.125 };
        using var sam = new SharpnessAwareMinimization(optimizer);
        sam.SetOptions(0, options);
        Steps(model, sam);
        var checkpoint = new Checkpoint(optimizer) { Sharpness = sam };
        checkpoint.Save(scratch.File("file"));

        using var other = new Model();
        using var resumed = other.Optimizer("adamw");
        using var again = new SharpnessAwareMinimization(resumed, new SharpnessOptions { Rho = 0.01 });
        new Checkpoint(resumed) { Sharpness = again }.Load(scratch.File("file"));
        Assert.Equal([options], again.Options);
        model.CopyValuesTo(other);
        Steps(model, sam);
        Steps(other, again);
        Assert.Equal(model.Values, other.Values);

        sam.FirstStep();
        Assert.Throws<InvalidOperationException>(() => checkpoint.Save(scratch.File("between")));
        Assert.Throws<InvalidOperationException>(() => checkpoint.Load(scratch.File("file")));
        Assert.False(File.Exists(scratch.File("between")));
        sam.Restore();
        checkpoint.Load(scratch.File("file"));

        static void Steps(Model model, SharpnessAwareMinimization sam)
        {
            for (var step = 0; step < 3; step++)
            {
                sam.Step(() => Bowl(model));
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_step_is_the_definition(bool adaptive)
    {
        using var model = new Model(DType.Float64);
        using var optimizer = model.Optimizer("sgd", new Dictionary<string, double> { ["lr"] = 0.5 });
        var options = new SharpnessOptions { Rho = 0.25, Adaptive = adaptive };
        using var sam = new SharpnessAwareMinimization(optimizer, options);
        var before = model.Values;
        var scaled = before.Select(p => (adaptive ? Math.Abs(p) : 1) * p).ToArray();
        var norm = Math.Sqrt(scaled.Sum(x => x * x)) + options.PerturbEpsilon;
        var moved = before.Zip(scaled, (p, x) => p + (0.25 / norm * (adaptive ? Math.Abs(p) : 1) * x)).ToArray();
        var loss = sam.Step(() => Bowl(model));
        Assert.Equal(before.Sum(p => p * p) / 2, loss, 12);
        AssertClose([.. before.Zip(moved, (p, q) => p - (0.5 * q))], model.Values);
        Assert.False(sam.IsPerturbed);
    }

    [Fact]
    public void Two_calls_are_one_closure()
    {
        using var one = new Model();
        using var two = new Model();
        using var optimizer = one.Optimizer("adam");
        using var other = two.Optimizer("adam");
        using var sam = new SharpnessAwareMinimization(optimizer);
        using var same = new SharpnessAwareMinimization(other);
        for (var step = 0; step < 3; step++)
        {
            sam.Step(() => Bowl(one));
            Bowl(two);
            same.FirstStep();
            Bowl(two);
            same.SecondStep();
        }

        Assert.Equal(one.Values, two.Values);
    }

    [Fact]
    public void Restoring_is_exact_even_without_the_gradients_of_before()
    {
        using var model = new Model(DType.BFloat16);
        using var optimizer = model.Optimizer("sgd");
        using var sam = new SharpnessAwareMinimization(optimizer, new SharpnessOptions { Rho = 1 });
        var before = model.Values;
        var alone = model.Parameters[0];
        alone.Gradient!.Dispose();
        alone.Gradient = null;
        sam.FirstStep();
        Assert.NotEqual(before, model.Values);
        Assert.Equal(before[..(int)alone.Value.ElementCount], alone.Value.ToDoubles());
        foreach (var parameter in model.Parameters.Skip(1))
        {
            parameter.Gradient!.Dispose();
            parameter.Gradient = null;
        }

        sam.SecondStep();
        Assert.Equal(before, model.Values);
    }

    [Fact]
    public void A_closure_that_throws_leaves_the_parameters_as_they_were()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("sgd");
        using var sam = new SharpnessAwareMinimization(optimizer);
        var before = model.Values;
        var calls = 0;
        Assert.Throws<TimeoutException>(() => sam.Step(() => ++calls == 2 ? throw new TimeoutException() : Bowl(model)));
        Assert.Equal(before, model.Values);
        Assert.Equal(0, optimizer.StepCount());
        sam.Step(() => Bowl(model));
        Assert.NotEqual(before, model.Values);
    }

    [Fact]
    public void Groups_have_options_of_their_own_which_are_live()
    {
        using var model = new Model(DType.Float64);
        ParameterGroup[] groups = [.. model.Parameters.Select(parameter => new ParameterGroup([parameter]))];
        using var optimizer = Optimizer.Create("sgd", model.Engine, groups);
        SharpnessOptions[] options = [new() { Rho = 0 }, new() { Rho = 1 }, new() { Rho = 0 }];
        using var sam = new SharpnessAwareMinimization(optimizer, options);
        Assert.Equal([false, true, false], Moved(model, sam));
        sam.SetOptions(1, new SharpnessOptions { Rho = 0 });
        sam.SetOptions(2, new SharpnessOptions { Rho = 2 });
        Assert.Equal(2, sam.Options[2].Rho);
        Assert.Equal([false, false, true], Moved(model, sam));
    }

    [Fact]
    public void Steps_out_of_turn_are_refused()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("sgd");
        using var sam = new SharpnessAwareMinimization(optimizer);
        Assert.Throws<InvalidOperationException>(sam.SecondStep);
        Assert.Throws<InvalidOperationException>(sam.Restore);
        sam.FirstStep();
        var moved = model.Values;
        Assert.Throws<InvalidOperationException>(sam.FirstStep);
        Assert.Throws<InvalidOperationException>(() => sam.Step(() => 0));
        Assert.Equal(moved, model.Values);
        sam.SecondStep(default);
        sam.Dispose();
        Assert.Throws<ObjectDisposedException>(sam.FirstStep);
    }

    [Fact]
    public void Wrong_options_are_refused()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("sgd");
        using var sam = new SharpnessAwareMinimization(optimizer);
        var wrong = new SharpnessOptions { Rho = -1 };
        Assert.Contains("rho", Refusal(() => sam.SetOptions(0, wrong)), StringComparison.Ordinal);
        Assert.Contains("rho", Refusal(() => _ = new SharpnessAwareMinimization(optimizer, wrong)), StringComparison.Ordinal);
        Assert.Equal(0.05, sam.Options[0].Rho);
        Assert.Throws<ArgumentException>(() => new SharpnessAwareMinimization(optimizer, [new(), new()]));
        Assert.Throws<ArgumentNullException>(() => new SharpnessAwareMinimization(null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => sam.SetOptions(1, new SharpnessOptions()));
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => new SharpnessAwareMinimization(optimizer));
    }

    [Fact]
    public void Parameters_that_moved_between_the_steps_are_brought_back_where_they_are()
    {
        using var engine = TestDevice.Open();
        using var first = Tensor.Allocate(engine, DType.Float32, 2);
        using var second = Tensor.Allocate(engine, DType.Float32, 2);
        using var gradient = Tensor.Allocate(engine, DType.Float32, 2);
        using var value = Tensor.Borrow(first.Pointer, DType.Float32, [2], engine, first);
        first.CopyFrom([1f, 2]);
        gradient.CopyFrom([3f, 4]);
        var parameter = new Parameter(value, gradient);
        using var optimizer = new SGD(engine, [parameter]);
        using var sam = new SharpnessAwareMinimization(optimizer);
        sam.FirstStep();
        Assert.NotEqual([1, 2], first.ToDoubles());
        var moved = first.ToDoubles();
        second.CopyFromDoubles(moved);
        value.Rebind(second.Pointer, second);
        parameter.Gradient = null; // it is brought back all the same
        sam.Restore();
        Assert.Equal([1, 2], second.ToDoubles());
        Assert.Equal(moved, first.ToDoubles());

        sam.FirstStep(); // with no gradient nothing moves
        Assert.Equal([1, 2], second.ToDoubles());
        sam.Restore();
        Assert.Equal([1, 2], second.ToDoubles());
        parameter.Gradient = gradient;
        sam.FirstStep();
        value.Dispose();
        Assert.Throws<ObjectDisposedException>(sam.Restore);
        Assert.Throws<ObjectDisposedException>(sam.SecondStep);
        Assert.True(sam.IsPerturbed);
    }

    [Fact]
    public void The_functions_do_what_the_wrapper_does()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("sgd");
        var options = new SharpnessOptions { Rho = 0.5, Adaptive = true, AsamEta = 0.01, UseGc = true };
        using var sam = new SharpnessAwareMinimization(optimizer, options);
        sam.FirstStep();
        var moved = model.Values;
        sam.Restore();
        var before = model.Values;
        Tensor[] values = [.. model.Parameters.Select(parameter => parameter.Value)];
        Tensor[] gradients = [.. model.Parameters.Select(parameter => parameter.Gradient!)];
        Tensor[] old = [.. values.Select(value => Tensor.Allocate(model.Engine, value.DType, value.Shape))];
        HelperFunctions.SamPerturb(model.Engine, values, gradients, old, options);
        Assert.Equal(moved, model.Values);
        HelperFunctions.SamRestore(model.Engine, values, old);
        Assert.Equal(before, model.Values);
        Assert.Throws<ArgumentException>(() => HelperFunctions.SamRestore(model.Engine, values, old.AsSpan(1)));
        foreach (var copy in old)
        {
            copy.Dispose();
        }
    }

    // Which parameters the first step moves; then they are brought back.
    private static bool[] Moved(Model model, SharpnessAwareMinimization sam)
    {
        double[][] before = [.. model.Parameters.Select(parameter => parameter.Value.ToDoubles())];
        sam.FirstStep();
        bool[] moved =
        [
            .. model.Parameters.Zip(before, (parameter, old) => !parameter.Value.ToDoubles().SequenceEqual(old)),
        ];
        sam.Restore();
        return moved;
    }

    private static string Refusal(Action action) => Assert.Throws<OptimException>(action).Message;

    private static void AssertClose(double[] expected, double[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 12));
    }
}
