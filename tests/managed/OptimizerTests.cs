using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>What every rule of the catalogue must do behind the facade.</summary>
public sealed class OptimizerTests
{
    [Theory]
    [ClassData(typeof(Rules))]
    public void A_step_moves_parameters_and_counts(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        var before = model.Values;
        optimizer.Step();
        Assert.Equal(1, optimizer.StepCount());
        Assert.All(
            before.Zip(model.Values),
            pair =>
            {
                Assert.True(double.IsFinite(pair.Second));
                Assert.NotEqual(pair.First, pair.Second);
            }
        );
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Equal_histories_are_equal_to_the_bit(string rule)
    {
        Assert.Equal(Run(), Run());

        double[] Run()
        {
            using var model = new Model();
            using var optimizer = model.Optimizer(rule);
            model.Train(optimizer, 1, 5);
            return model.Values;
        }
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void A_parameter_without_gradient_is_left_alone(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        using var gradient = model.Parameters[0].Gradient!;
        model.Parameters[0].Gradient = null;
        var before = model.Parameters.Select(parameter => parameter.Value.ToDoubles()).ToArray();
        optimizer.Step();
        Assert.Equal(before[0], model.Parameters[0].Value.ToDoubles());
        Assert.NotEqual(before[1], model.Parameters[1].Value.ToDoubles());

        model.Parameters[0].Gradient = gradient;
        optimizer.Step();
        Assert.NotEqual(before[0], model.Parameters[0].Value.ToDoubles());
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Found_inf_skips_the_step_and_the_count(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        using var foundInf = Tensor.Allocate(model.Engine, DType.Float32, 1);
        foundInf.CopyFrom([1f]);
        var before = model.Values;
        optimizer.Step(new StepOptions { FoundInf = foundInf });
        Assert.Equal(before, model.Values);
        Assert.Equal(0, optimizer.StepCount());

        foundInf.CopyFrom([0f]);
        optimizer.Step(new StepOptions { FoundInf = foundInf });
        Assert.NotEqual(before, model.Values);
        Assert.Equal(1, optimizer.StepCount());
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void A_loss_scale_that_is_a_power_of_two_changes_nothing(string rule)
    {
        using var plain = new Model();
        using var optimizer = plain.Optimizer(rule);
        optimizer.Step();

        using var scaled = new Model();
        using var scaledOptimizer = scaled.Optimizer(rule);
        using var scale = Tensor.Allocate(scaled.Engine, DType.Float32, 1);
        scale.CopyFrom([1024f]);
        scaled.SetGradients(1, factor: 1024);
        scaledOptimizer.Step(new StepOptions { GradScale = scale });
        Assert.Equal(plain.Values, scaled.Values);
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void A_learning_rate_set_later_equals_one_given_at_once(string rule)
    {
        using var given = new Model();
        using var optimizer = given.Optimizer(rule, new Dictionary<string, double> { ["lr"] = 0.0625 });
        given.Train(optimizer, 1, 3);

        using var set = new Model();
        using var live = set.Optimizer(rule);
        live.Groups[0].LearningRate = 0.0625;
        set.Train(live, 1, 3);
        Assert.Equal(0.0625, live.Groups[0].LearningRate);
        Assert.Equal(given.Values, set.Values);
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Every_storage_type_steps(string rule)
    {
        foreach (var dtype in Enum.GetValues<DType>())
        {
            using var model = new Model(dtype);
            using var optimizer = model.Optimizer(rule, new Dictionary<string, double> { ["lr"] = 0.125 });
            var before = model.Values;
            model.Train(optimizer, 1, 16); // a warm-up begins with steps that 16 bits do not see
            Assert.NotEqual(before, model.Values);
            Assert.All(model.Values, value => Assert.True(double.IsFinite(value), $"{dtype}: {value}"));
        }
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void States_are_the_slots_of_the_schema(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        optimizer.Step();
        var always = optimizer.Rule.Slots.Where(slot => slot.When.Length == 0);
        for (var i = 0; i < model.Parameters.Count; i++)
        {
            var states = optimizer.States(i);
            Assert.All(
                states.Keys,
                name =>
                    Assert.Contains(
                        optimizer.Rule.Slots,
                        slot => name == slot.Name || name.StartsWith(slot.Name + "_", StringComparison.Ordinal)
                    )
            );
            Assert.All(
                always.Where(slot => slot.Shape == SlotShape.Param),
                slot => Assert.Equal(model.Parameters[i].Value.Shape, states[slot.Name].Shape)
            );
        }

        Assert.Equal(
            optimizer.StateBytes,
            Enumerable
                .Range(0, model.Parameters.Count)
                .SelectMany(optimizer.States)
                .Sum(state => state.Value.ByteLength)
        );
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void A_step_costs_at_least_reading_gradients_and_writing_parameters(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        var elements = model.Parameters.Sum(parameter => parameter.Value.ElementCount);
        Assert.InRange(optimizer.BytesPerStep, 3 * sizeof(float) * elements, 1000 * sizeof(float) * elements);
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Groups_have_values_of_their_own(string rule)
    {
        using var model = new Model();
        ParameterGroup[] groups =
        [
            new(model.Parameters.Take(1), new Dictionary<string, double> { ["lr"] = 0 }),
            new(model.Parameters.Skip(1)),
        ];
        model.GiveInputs(rule);
        using var optimizer = Optimizer.Create(rule, model.Engine, groups);
        var defaultRate = optimizer.Rule.Hypers[optimizer.Rule.IndexOf("lr")].Default;
        Assert.Equal(0, optimizer.Groups[0].LearningRate);
        Assert.Equal(defaultRate, optimizer.Groups[1].LearningRate);

        using var alone = new Model();
        alone.GiveInputs(rule);
        using var single = Optimizer.Create(
            rule,
            alone.Engine,
            [alone.Parameters[0]],
            new Dictionary<string, double> { ["lr"] = 0 }
        );
        optimizer.Step();
        single.Step();
        Assert.Equal(alone.Parameters[0].Value.ToDoubles(), model.Parameters[0].Value.ToDoubles());
    }

    [Fact]
    public void An_optimizer_without_parameters_steps()
    {
        using var engine = TestDevice.Open();
        using var optimizer = new AdamW(engine, Array.Empty<Parameter>());
        optimizer.Step();
        Assert.Empty(optimizer.ReadStepCounts());
        Assert.Equal(0, optimizer.StateBytes);
    }

    [Fact]
    public void Typed_options_are_live()
    {
        using var model = new Model();
        using var optimizer = new AdamW(
            model.Engine,
            model.Parameters,
            new AdamWOptions { LearningRate = 0.5, Beta1 = 0.75 }
        );
        Assert.Equal(0.75, optimizer.Groups[0]["beta1"]);

        optimizer.Groups[0].Options = optimizer.Groups[0].Options with { LearningRate = 0.25, WeightDecouple = false };
        Assert.Equal(0.25, optimizer.Groups[0].LearningRate);
        Assert.Equal(0, optimizer.Groups[0].Hypers["weight_decouple"]);
        Assert.Equal(
            new AdamWOptions
            {
                LearningRate = 0.25,
                Beta1 = 0.75,
                WeightDecouple = false,
            },
            optimizer.Groups[0].Options
        );
    }

    [Fact]
    public void A_moved_borrowed_tensor_is_followed()
    {
        using var engine = TestDevice.Open();
        using var first = Tensor.Allocate(engine, DType.Float32, 4);
        using var second = Tensor.Allocate(engine, DType.Float32, 4);
        using var gradient = Tensor.Allocate(engine, DType.Float32, 4);
        gradient.CopyFrom([1f, 1, 1, 1]);
        using var view = Tensor.Borrow(first.Pointer, DType.Float32, [4], engine, first);
        using var optimizer = Optimizer.Create("sgd", engine, [new Parameter(view, gradient)]);
        optimizer.Step();
        var moved = first.ToDoubles();
        view.Rebind(second.Pointer, second);
        optimizer.Step();
        Assert.Equal(moved, first.ToDoubles());
        Assert.All(second.ToDoubles(), value => Assert.NotEqual(0, value));
    }
}
