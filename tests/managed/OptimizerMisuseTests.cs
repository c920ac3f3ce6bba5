using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Bad input to optimizers is answered by an error that names the thing and what is allowed.</summary>
public sealed class OptimizerMisuseTests
{
    [Fact]
    public void Unknown_rules_and_hypers_are_answered_with_the_known_ones()
    {
        using var model = new Model();
        AssertRefused<ArgumentException>(
            ["\"adamx\"", "adamw"],
            () => Optimizer.Create("adamx", model.Engine, model.Parameters)
        );
        AssertRefused<ArgumentException>(
            ["\"rate\"", "lr", "beta1"],
            () => model.Optimizer("adamw", Hypers("rate", 1))
        );
        using var optimizer = model.Optimizer("adamw");
        AssertRefused<ArgumentException>(
            ["\"rate\""],
            () =>
            {
                optimizer.Groups[0]["rate"] = 1;
            }
        );
        AssertRefused<ArgumentException>(
            ["\"rate\""],
            () =>
            {
                _ = optimizer.Groups[0]["rate"];
            }
        );
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Hypers_out_of_range_are_refused_at_construction_and_later(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        var before = optimizer.Groups[0].Hypers;
        foreach (var hyper in optimizer.Rule.Hypers)
        {
            foreach (var bad in BadValues(hyper))
            {
                string[] named = [rule, hyper.Name, hyper.Allowed];
                AssertRefused<ArgumentException>(named, () => model.Optimizer(rule, Hypers(hyper.Name, bad)));
                AssertRefused<ArgumentException>(
                    named,
                    () =>
                    {
                        optimizer.Groups[0][hyper.Name] = bad;
                    }
                );
            }
        }

        Assert.Equal(before, optimizer.Groups[0].Hypers);
        optimizer.Step();
    }

    [Fact]
    public void Nulls_are_refused_by_name()
    {
        using var model = new Model();
        var engine = model.Engine;
        Assert.Throws<ArgumentNullException>("name", () => Optimizer.Create(null!, engine, model.Parameters));
        Assert.Throws<ArgumentNullException>("engine", () => Optimizer.Create("adamw", null!, model.Parameters));
        Assert.Throws<ArgumentNullException>(
            "parameters",
            () => Optimizer.Create("adamw", engine, (IEnumerable<Parameter>)null!)
        );
        Assert.Throws<ArgumentNullException>(
            "groups",
            () => Optimizer.Create("adamw", engine, (IEnumerable<ParameterGroup>)null!)
        );
        Assert.Throws<ArgumentException>("parameters", () => Optimizer.Create("adamw", engine, [(Parameter)null!]));
        Assert.Throws<ArgumentException>("groups", () => Optimizer.Create("adamw", engine, [(ParameterGroup)null!]));
        Assert.Throws<ArgumentException>(
            "groups",
            () => Optimizer.Create("adamw", engine, Array.Empty<ParameterGroup>())
        );
        Assert.Throws<ArgumentNullException>("value", () => new Parameter(null!));
        Assert.Throws<ArgumentException>("name", () => new Parameter(model.Parameters[0].Value, null, " "));
        using var optimizer = new AdamW(engine, model.Parameters);
        Assert.Throws<ArgumentNullException>("value", () => optimizer.Groups[0].Options = null!);
        Assert.Throws<ArgumentNullException>("state", () => optimizer.LoadStateDict(null!));
        Assert.ThrowsAny<ArgumentException>(() => optimizer.Save(""));
        Assert.ThrowsAny<ArgumentException>(() => optimizer.Load(null!));
    }

    [Fact]
    public void Parameters_must_be_distinct()
    {
        using var model = new Model();
        var parameter = model.Parameters[0];
        AssertRefused<ArgumentException>(
            ["Parameter 2", "twice"],
            () => Optimizer.Create("sgd", model.Engine, [model.Parameters[1], parameter, parameter])
        );
        AssertRefused<ArgumentException>(
            ["\"w\""],
            () =>
                Optimizer.Create(
                    "sgd",
                    model.Engine,
                    [
                        new Parameter(model.Parameters[0].Value, null, "w"),
                        new Parameter(model.Parameters[1].Value, null, "w"),
                    ]
                )
        );
        AssertRefused<ArgumentException>(
            ["Parameters 0 and 1 (\"w\") overlap", "Give the optimizer one of them"],
            () =>
                Optimizer.Create("sgd", model.Engine, [new Parameter(parameter.Value), new Parameter(parameter.Value, null, "w")])
        );
        using var whole = Tensor.Allocate(model.Engine, DType.Float32, 8);
        using var part = Tensor.Borrow(whole.Pointer + 8, DType.Float32, [2], model.Engine, whole);
        AssertRefused<ArgumentException>(
            ["Parameters 0 (\"part\") and 1 (\"whole\") overlap"],
            () => Optimizer.Create("sgd", model.Engine, [new Parameter(part, null, "part"), new Parameter(whole, null, "whole")])
        );
    }

    [Fact]
    public void A_helper_is_for_all_groups()
    {
        using var model = new Model();
        AssertRefused<ArgumentException>(
            ["\"clip_norm\"", "adamw", "for all groups", "Helpers"],
            () => Optimizer.Create("adamw", model.Engine, model.Parameters, Hypers("clip_norm", 1))
        );
        AssertRefused<ArgumentException>(
            ["\"clip_norn\"", "it has lr"],
            () => Optimizer.Create("adamw", model.Engine, model.Parameters, Hypers("clip_norn", 1))
        );
        using var optimizer = model.Optimizer("adamw");
        AssertRefused<ArgumentException>(
            ["\"lookahead_k\"", "for all groups"],
            () =>
            {
                optimizer.Groups[0]["lookahead_k"] = 5;
            }
        );
    }

    [Fact]
    public void What_a_step_is_told_is_one_number_on_its_device()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("sgd");
        using var wide = Tensor.Allocate(model.Engine, DType.Float64);
        using var two = Tensor.Allocate(model.Engine, DType.Float32, 2);
        var gone = Tensor.Allocate(model.Engine, DType.Float32);
        gone.Dispose();
        AssertRefused<ArgumentException>(["FoundInf", "one Float32", "Float64"], () => optimizer.Step(new StepOptions { FoundInf = wide }));
        AssertRefused<ArgumentException>(["GradScale", "[2]"], () => optimizer.Step(new StepOptions { GradScale = two }));
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(new StepOptions { Overflow = gone }));
        Assert.Equal(0, optimizer.StepCount());
        if (!TestDevice.IsCpu)
        {
            using var host = new Engine();
            using var elsewhere = Tensor.Allocate(host, DType.Float32);
            AssertRefused<ArgumentException>(["Overflow", "cpu", "cuda:0"], () => optimizer.Step(new StepOptions { Overflow = elsewhere }));
            AssertRefused<ArgumentException>(["gradients[0]", "cpu", "cuda:0"], () => HelperFunctions.Centralize(model.Engine, [elsewhere]));
            using var scaler = new GradientScaler(host);
            AssertRefused<ArgumentException>(["cpu", "cuda:0"], () => scaler.Step(optimizer));
        }
    }

    [Fact]
    public void A_group_belongs_to_one_optimizer()
    {
        using var model = new Model();
        var group = new ParameterGroup<AdamWOptions>(model.Parameters);
        Assert.Throws<InvalidOperationException>(() => group.LearningRate);
        Assert.Equal(new AdamWOptions(), group.Options);
        Assert.Throws<ArgumentException>(() => new AdamW(model.Engine, [group, new(model.Parameters)]));

        // A failed construction leaves the group free.
        using var optimizer = new AdamW(model.Engine, [group]);
        AssertRefused<InvalidOperationException>(["adamw"], () => new AdamW(model.Engine, [group]));
        AssertRefused<OptimException>(
            ["AdamWOptions", "sgd"],
            () => Optimizer.Create("sgd", model.Engine, [new ParameterGroup<AdamWOptions>([])])
        );
    }

    [Fact]
    public void Gradients_must_fit_their_parameter()
    {
        using var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, DType.Float32, 2, 3);
        using var other = Tensor.Allocate(engine, DType.Float32, 3, 2);
        using var half = Tensor.Allocate(engine, DType.Float16, 2, 3);
        using var fits = Tensor.Allocate(engine, DType.Float32, 2, 3);
        AssertRefused<ArgumentException>(
            ["w", "[3, 2]", "[2, 3]"],
            () =>
            {
                _ = new Parameter(value, other, "w");
            }
        );
        var parameter = new Parameter(value, fits, "w");
        AssertRefused<ArgumentException>(
            ["[3, 2]"],
            () =>
            {
                parameter.Gradient = other;
            }
        );
        Assert.Same(fits, parameter.Gradient);

        using var optimizer = Optimizer.Create("sgd", engine, [parameter]);
        parameter.Gradient = half;
        AssertRefused<InvalidOperationException>(["w", "Float16", "Float32"], optimizer.Step);
        parameter.Gradient = fits;
        optimizer.Step();
        parameter.Gradient = value;
        AssertRefused<OptimException>(["overlap"], optimizer.Step);
        parameter.Gradient = fits;
        optimizer.Step();
        Assert.Equal(2, optimizer.StepCount());
    }

    [Fact]
    public void Mixtures_with_Float64_are_refused()
    {
        using var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, DType.Float64, 2);
        using var gradient = Tensor.Allocate(engine, DType.Float32, 2);
        Assert.Throws<OptimException>(() => Optimizer.Create("sgd", engine, [new Parameter(value, gradient)]));
        Assert.Throws<OptimException>(() =>
            Optimizer.Create(
                "adam",
                engine,
                [new Parameter(value)],
                storage: new OptimizerStorage { StateType = DType.BFloat16 }
            )
        );
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            Optimizer.Create(
                "adam",
                engine,
                [new Parameter(value)],
                storage: new OptimizerStorage { StateType = (DType)12 }
            )
        );
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            Optimizer.Create(
                "adam",
                engine,
                [new Parameter(value)],
                storage: new OptimizerStorage { GradientType = (DType)12 }
            )
        );
    }

    [Fact]
    public void Half_precision_with_wide_states_is_allowed()
    {
        using var model = new Model(DType.BFloat16);
        using var optimizer = Optimizer.Create(
            "adam",
            model.Engine,
            model.Parameters,
            storage: new OptimizerStorage { StateType = DType.BFloat16 }
        );
        Assert.All(optimizer.States(0).Values, state => Assert.Equal(DType.BFloat16, state.DType));
        optimizer.Step();
        using var wide = new Model(DType.BFloat16);
        using var defaults = wide.Optimizer("adam");
        Assert.All(defaults.States(0).Values, state => Assert.Equal(DType.Float32, state.DType));
    }

    [Fact]
    public void Helpers_out_of_range_are_refused()
    {
        using var model = new Model();
        AssertRefused<OptimException>(
            ["clip_value"],
            () => model.Optimizer("sgd", helpers: new Helpers { ClipValue = double.NaN })
        );
        AssertRefused<OptimException>(
            ["clip_norm"],
            () => model.Optimizer("sgd", helpers: new Helpers { ClipNorm = -1 })
        );
        AssertRefused<OptimException>(
            ["lookahead_alpha"],
            () => model.Optimizer("sgd", helpers: new Helpers { LookaheadK = 5, LookaheadAlpha = 2 })
        );
        AssertRefused<OptimException>(
            ["lookahead_pullback"],
            () =>
                model.Optimizer(
                    "sgd",
                    helpers: new Helpers
                    {
                        LookaheadK = 5,
                        LookaheadAlpha = 0.5,
                        LookaheadPullback = (LookaheadPullback)9,
                    }
                )
        );
    }

    [Fact]
    public void Indices_out_of_range_are_refused()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("sgd");
        Assert.Throws<ArgumentOutOfRangeException>("parameter", () => optimizer.StepCount(99));
        Assert.Throws<ArgumentOutOfRangeException>("parameter", () => optimizer.StepCount(-1));
        Assert.Throws<ArgumentException>("counts", () => optimizer.SetStepCounts([new StepCounts(1)]));
        Assert.Throws<OptimException>(() => optimizer.SetStepCounts(Enumerable.Repeat(new StepCounts(-1), 3).ToArray()));
        Assert.Throws<ArgumentOutOfRangeException>("parameter", () => optimizer.States(3));
        Assert.Throws<ArgumentOutOfRangeException>("parameter", () => optimizer.States(-1));
        optimizer.SetStepCounts([new StepCounts(41), new StepCounts(0), new StepCounts(0)]);
        optimizer.Step();
        Assert.Equal(1, optimizer.StepCount(1));
        Assert.Equal(42, optimizer.StepCount());
    }

    [Fact]
    public void Memory_that_is_not_there_is_an_error()
    {
        using var engine = TestDevice.Open();
        var exception = Assert.Throws<OptimException>(() => Tensor.Allocate(engine, DType.Float32, 1L << 55));
        Assert.Equal(OptimStatus.OutOfMemory, exception.Status);
        Assert.NotEmpty(exception.Message);
    }

    private static Dictionary<string, double> Hypers(string name, double value) => new() { [name] = value };

    private static IEnumerable<double> BadValues(HyperSchema hyper)
    {
        double[] candidates =
        [
            double.NaN,
            double.NegativeInfinity,
            double.PositiveInfinity,
            -1,
            0.5,
            2,
            hyper.Minimum,
            hyper.Maximum,
            hyper.Minimum - 1,
            hyper.Maximum + 1,
        ];
        return candidates.Where(value => !hyper.Allows(value)).Distinct();
    }

    private static void AssertRefused<T>(string[] named, Action call)
        where T : Exception
    {
        var message = Assert.ThrowsAny<T>(call).Message;
        Assert.All(named, name => Assert.Contains(name, message, StringComparison.Ordinal));
    }

    private static void AssertRefused<T>(string[] named, Func<IDisposable> make)
        where T : Exception => AssertRefused<T>(named, () => make().Dispose());
}
