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
        var options = new StepOptions { FoundInf = flag.Pointer };
        AssertNoAllocation(() =>
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
        AssertNoAllocation(() =>
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
        AssertNoAllocation(() =>
        {
            parameter.Gradient = parameter.Gradient is null ? gradient : null;
            optimizer.Step();
        });
    }

    private static void AssertNoAllocation(Action action)
    {
        const int warmUp = 100; // past the first tier of compilation
        const int measured = 1000;
        for (var i = 0; i < warmUp; i++)
        {
            action();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < measured; i++)
        {
            action();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
