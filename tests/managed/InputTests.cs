using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>What rules take besides gradients: given, left out, refused, kept alive and saved.</summary>
public sealed class InputTests
{
    [Theory]
    [ClassData(typeof(RulesWithInputs))]
    public void Inputs_count_and_decide_the_step(string rule, string input)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        optimizer.Step();
        Assert.Equal(1, optimizer.ReadStepCounts()[0].InputSteps);

        using var other = new Model();
        using var otherOptimizer = other.Optimizer(rule);
        var tensor = other.Parameters[0].Inputs[input]!;
        tensor.CopyFromDoubles([.. tensor.ToDoubles().Select(value => 4 * value)]);
        otherOptimizer.Step();
        Assert.NotEqual(model.Parameters[0].Value.ToDoubles(), other.Parameters[0].Value.ToDoubles());
        Assert.Equal(model.Parameters[1].Value.ToDoubles(), other.Parameters[1].Value.ToDoubles());
    }

    [Theory]
    [ClassData(typeof(RulesWithInputs))]
    public void Inputs_may_be_left_out_once_they_were_given(string rule, string input)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        Tensor?[] given = [.. model.Parameters.Select(parameter => parameter.Inputs[input])];
        Set(null);
        AssertRefused<OptimException>([rule, input, "params[0]"], optimizer.Step);

        SetAll();
        optimizer.Step();
        Set(null);
        var before = model.Values;
        optimizer.Step();
        optimizer.Step();
        Assert.NotEqual(before, model.Values);
        Assert.Equal((3, 1), (optimizer.StepCount(), optimizer.ReadStepCounts()[0].InputSteps));

        model.Parameters[1].Inputs[input] = given[1];
        AssertRefused<OptimException>([rule, input, "params[0]", "group 0"], optimizer.Step);
        SetAll();
        optimizer.Step();
        Assert.Equal((4, 2), (optimizer.StepCount(), optimizer.ReadStepCounts()[0].InputSteps));

        void SetAll()
        {
            foreach (var (parameter, tensor) in model.Parameters.Zip(given))
            {
                parameter.Inputs[input] = tensor;
            }
        }

        void Set(Tensor? tensor)
        {
            foreach (var parameter in model.Parameters)
            {
                parameter.Inputs[input] = tensor;
            }
        }
    }

    [Theory]
    [ClassData(typeof(RulesWithInputs))]
    public void Inputs_must_fit_their_parameter(string rule, string input)
    {
        using var model = new Model(named: true);
        var parameter = model.Parameters[0];
        using var optimizer = model.Optimizer(rule);
        var fits = parameter.Inputs[input];
        using var turned = Tensor.Allocate(model.Engine, DType.Float32, 3, 4);
        using var half = Tensor.Allocate(model.Engine, DType.Float16, 4, 3);
        AssertRefused<ArgumentException>(
            [input, "layer0.weight", "[3, 4]", "[4, 3]"],
            () => parameter.Inputs[input] = turned
        );
        Assert.Same(fits, parameter.Inputs[input]);

        parameter.Inputs[input] = half;
        AssertRefused<InvalidOperationException>([input, "layer0.weight", "Float16", "Float32"], optimizer.Step);
        parameter.Inputs[input] = parameter.Value;
        AssertRefused<OptimException>([input, "overlap"], optimizer.Step);
        var gone = Tensor.Allocate(model.Engine, DType.Float32, 4, 3);
        parameter.Inputs[input] = gone;
        gone.Dispose();
        AssertRefused<ObjectDisposedException>([input, "layer0.weight"], optimizer.Step);
        Assert.Equal(0, optimizer.StepCount());

        parameter.Inputs[input] = fits;
        optimizer.Step();
        Assert.Equal(1, optimizer.StepCount());
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void An_input_that_the_rule_does_not_take_is_named(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        using var tensor = Tensor.Allocate(model.Engine, DType.Float32, 4, 3);
        model.Parameters[0].Inputs["curvature"] = tensor;
        string[] named = ["Parameter 0", "\"curvature\"", rule, .. optimizer.Rule.Needs];
        AssertRefused<InvalidOperationException>(named, optimizer.Step);

        model.Parameters[0].Inputs["curvature"] = null;
        optimizer.Step();
        Assert.Throws<ArgumentNullException>("name", () => model.Parameters[0].Inputs[null!]);
    }

    [Theory]
    [ClassData(typeof(RulesWithInputs))]
    public void The_owner_of_an_input_lives_as_long_as_it_is_bound(string rule, string input)
    {
        using var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, DType.Float32, 8);
        using var gradient = Tensor.Allocate(engine, DType.Float32, 8);
        using var memory = Tensor.Allocate(engine, DType.Float32, 8);
        var parameter = new Parameter(value, gradient);
        using var optimizer = Optimizer.Create(rule, engine, [parameter]);
        var owner = Give();
        optimizer.Step();
        parameter.Inputs[input] = null;
        Garbage.Collect();
        Assert.True(owner.IsAlive); // the plan still has the pointer

        optimizer.Step();
        Garbage.Collect();
        Assert.False(owner.IsAlive);

        [MethodImpl(MethodImplOptions.NoInlining)]
        WeakReference Give()
        {
            var token = new object();
            parameter.Inputs[input] = Tensor.Borrow(memory.Pointer, DType.Float32, [8], engine, token);
            return new WeakReference(token);
        }
    }

    [Theory]
    [ClassData(typeof(RulesWithInputs))]
    public void A_state_keeps_how_often_inputs_came(string rule, string input)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        optimizer.Step();
        foreach (var parameter in model.Parameters)
        {
            parameter.Inputs[input] = null;
        }

        optimizer.Step();
        optimizer.Step();
        var state = optimizer.StateDict();
        Assert.Equal((3, 1), Restored(state));

        Change(state, parameter => parameter["input_step"] = -1);
        AssertRefused<OptimException>(["parameters[0].input_step = -1", ">= 0"], () => Restored(state));
        Change(state, parameter => parameter.Remove("input_step"));
        AssertRefused<OptimException>(["parameters[0].input_step", "missing"], () => Restored(state));

        (long Step, long InputStep) Restored(TensorSet saved)
        {
            using var other = new Model();
            using var resumed = other.Optimizer(rule);
            resumed.LoadStateDict(saved);
            return (resumed.StepCount(), resumed.ReadStepCounts()[0].InputSteps);
        }
    }

    [Fact]
    public void A_rule_without_inputs_neither_counts_nor_saves_them()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(Catalogue.Rules.First(rule => rule.Needs.Count == 0).Name);
        optimizer.Step();
        Assert.Equal(0, optimizer.ReadStepCounts()[0].InputSteps);
        Assert.DoesNotContain("input_step", optimizer.StateDict().Metadata["parameters"], StringComparison.Ordinal);
    }

    private static void Change(TensorSet state, Action<JsonObject> change)
    {
        var parameters = JsonNode.Parse(state.Metadata["parameters"])!;
        change((JsonObject)parameters[0]!);
        state.Metadata["parameters"] = parameters.ToJsonString();
    }

    private static void AssertRefused<T>(string[] named, Action call)
        where T : Exception
    {
        var message = Assert.ThrowsAny<T>(call).Message;
        Assert.All(named, name => Assert.Contains(name, message, StringComparison.Ordinal));
    }
}
