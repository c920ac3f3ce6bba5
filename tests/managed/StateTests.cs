using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Saving and restoring in the middle of a training is as if nothing had happened.</summary>
public sealed class StateTests
{
    [Theory]
    [ClassData(typeof(Rules))]
    public void A_restored_state_continues_to_the_bit(string rule)
    {
        using var scratch = new Scratch();
        var file = scratch.File("state.safetensors");
        var hypers = new Dictionary<string, double> { ["lr"] = 0.0625 };

        using var model = new Model(named: true);
        using var optimizer = model.Optimizer(rule, hypers);
        model.Train(optimizer, 1, 3);
        optimizer.Save(file);
        using var resumed = new Model(named: true);
        using var fromFile = resumed.Optimizer(rule);
        fromFile.Load(file);
        model.CopyValuesTo(resumed);
        Assert.Equal(3, fromFile.StepCount());
        Assert.Equal(0.0625, fromFile.Groups[0].LearningRate);
        AssertSame(optimizer.StateDict(), fromFile.StateDict());

        model.Train(optimizer, 4, 7);
        resumed.Train(fromFile, 4, 7);
        Assert.Equal(model.Values, resumed.Values);
        AssertSame(optimizer.StateDict(), fromFile.StateDict());
        Assert.Equal(
            ["state.safetensors"],
            Directory.EnumerateFileSystemEntries(scratch.Folder).Select(Path.GetFileName)
        );
    }

    /// <summary>The first step of Adam is lr, whenever it comes.</summary>
    [Theory]
    [InlineData(false, 0.1)]
    [InlineData(true, 0.0511997)] // with the bias correction of step 21, and the moments of step 1
    public void A_late_gradient_begins_with_a_first_step(bool stepsByGroup, double firstStep)
    {
        using var engine = new Engine(Device.Cpu);
        using var early = Tensor.Allocate(engine, DType.Float32, 2);
        using var late = Tensor.Allocate(engine, DType.Float32, 2);
        using var gradient = Tensor.Allocate(engine, DType.Float32, 2);
        gradient.CopyFrom([1f, 1f]);
        var unfrozen = new Parameter(late);
        ParameterGroup group = new([new Parameter(early, gradient), unfrozen]) { StepsByGroup = stepsByGroup };
        using var optimizer = Optimizer.Create("adam", engine, [group]);
        group.LearningRate = 0.1;
        for (var step = 0; step < 20; step++)
        {
            optimizer.Step();
        }

        using var other = Tensor.Allocate(engine, DType.Float32, 2);
        other.CopyFrom([1f, 1f]);
        unfrozen.Gradient = other;
        optimizer.Step();
        Assert.Equal(-firstStep, late.ToDoubles()[0], 1e-6);
        Assert.Equal([21L, stepsByGroup ? 21L : 1L], optimizer.ReadStepCounts().Select(counts => counts.Steps));
        Assert.All(optimizer.ReadStepCounts(), counts => Assert.True(counts.Stepped));
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void A_state_dictionary_in_memory_does_the_same_with_helpers_on(string rule)
    {
        var helpers = new Helpers
        {
            LookaheadK = 2,
            LookaheadAlpha = 0.5,
            ClipNorm = 1,
            ClipNormType = double.PositiveInfinity,
            Centralize = true,
        };
        using var model = new Model();
        using var optimizer = model.Optimizer(rule, helpers: helpers);
        model.Train(optimizer, 1, 3);
        var state = optimizer.StateDict();
        var own = optimizer.Rule.Slots.FirstOrDefault(slot => slot.Role == "slow_params"); // the helper then shares it
        Assert.Contains($"state.0.{own?.Name ?? "slow_params"}", state.Tensors.Keys);

        using var resumed = new Model();
        using var restored = resumed.Optimizer(rule, helpers: helpers);
        restored.LoadStateDict(state);
        model.CopyValuesTo(resumed);
        model.Train(optimizer, 4, 7);
        resumed.Train(restored, 4, 7);
        Assert.Equal(model.Values, resumed.Values);
    }

    [Fact]
    public void Names_are_those_of_PyTorch()
    {
        using var model = new Model(named: true);
        using var named = model.Optimizer("adamw");
        Assert.Equal(
            ["state.layer0.weight.exp_avg", "state.layer0.weight.exp_avg_sq", "state.layer1.weight.exp_avg"],
            named.StateDict().Tensors.Keys.Order(StringComparer.Ordinal).Take(3)
        );

        using var other = new Model();
        using var numbered = other.Optimizer("adamw");
        Assert.Contains("state.2.exp_avg_sq", numbered.StateDict().Tensors.Keys);
        Assert.Equal("adamw", numbered.StateDict().Metadata["rule"]);
    }

    [Fact]
    public void Equal_states_are_equal_files()
    {
        using var scratch = new Scratch();
        using var model = new Model();
        using var optimizer = model.Optimizer("adamw");
        optimizer.Step();
        optimizer.Save(scratch.File("a"));
        SafeTensors.Save(scratch.File("b"), optimizer.StateDict());
        Assert.Equal(File.ReadAllBytes(scratch.File("a")), File.ReadAllBytes(scratch.File("b")));
    }

    internal static void AssertSame(TensorSet expected, TensorSet actual)
    {
        Assert.Equal(expected.Metadata, actual.Metadata);
        Assert.Equal(expected.Tensors.Keys.Order(), actual.Tensors.Keys.Order());
        Assert.All(expected.Tensors.Keys, name => Assert.Equal(expected.Get<byte>(name), actual.Get<byte>(name)));
    }
}
