using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Steps never allocate.</summary>
public sealed class AllocationTests
{
    [Theory]
    [ClassData(typeof(Rules))]
    public void Steps_allocate_nothing(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        using var flag = Tensor.Allocate(model.Engine, DType.Float32, 1);
        var options = new StepOptions { FoundInf = flag };
        Allocation.AssertNone(() =>
        {
            optimizer.Step();
            optimizer.Step(options);
        });
    }

    [Fact]
    public void Changing_the_learning_rate_allocates_nothing()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("sgd");
        var group = optimizer.Groups[0];
        var rate = 1e-3;
        Allocation.AssertNone(() =>
        {
            group.LearningRate = rate *= 0.99;
            optimizer.Step();
        });
    }

    [Fact]
    public void Following_gradients_that_come_and_go_allocates_nothing()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("sgd");
        var parameter = model.Parameters[0];
        using var gradient = parameter.Gradient!;
        Allocation.AssertNone(() =>
        {
            parameter.Gradient = parameter.Gradient is null ? gradient : null;
            optimizer.Step();
        });
    }

    [Theory]
    [ClassData(typeof(RulesWithInputs))]
    public void Following_inputs_that_come_and_go_allocates_nothing(string rule, string input)
    {
        using var model = new Model();
        using var optimizer = Optimizer.Create(rule, model.Engine, [model.Parameters[0]]);
        using var tensor = Tensor.Allocate(model.Engine, DType.Float32, model.Parameters[0].Value.Shape);
        var inputs = model.Parameters[0].Inputs;
        Allocation.AssertNone(() =>
        {
            inputs[input] = inputs[input] is null ? tensor : null;
            optimizer.Step();
        });
    }

    [Fact]
    public void Both_steps_of_sharpness_aware_minimization_allocate_nothing()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("sgd");
        using var sam = new SharpnessAwareMinimization(optimizer);
        Allocation.AssertNone(() =>
        {
            sam.FirstStep();
            sam.SecondStep();
        });
    }
}
