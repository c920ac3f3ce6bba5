using System.Runtime.CompilerServices;
using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>No order of disposal, nor none at all, leaves a dangling pointer.</summary>
public sealed class DisposalTests
{
    public static TheoryData<string> Orders()
    {
        var orders = new TheoryData<string>();
        foreach (var order in Permutations("evgo"))
        {
            orders.Add(order);
        }

        return orders;
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public void Any_order_of_disposal_is_safe(string order)
    {
        var engine = TestDevice.Open();
        var value = Tensor.Allocate(engine, DType.Float32, 1024);
        var gradient = Tensor.Allocate(engine, DType.Float32, 1024);
        var optimizer = new AdamW(engine, [new Parameter(value, gradient)]);
        optimizer.Step();
        foreach (var which in order)
        {
            IDisposable thing = which switch
            {
                'e' => engine,
                'v' => value,
                'g' => gradient,
                _ => optimizer,
            };
            thing.Dispose();
            thing.Dispose();
            if (
                which is 'v' or 'g'
                && !order[..order.IndexOf(which, StringComparison.Ordinal)].Contains('o', StringComparison.Ordinal)
            )
            {
                Assert.Throws<ObjectDisposedException>(optimizer.Step);
            }
        }

        Assert.Throws<ObjectDisposedException>(optimizer.Step);
    }

    [Fact]
    public void Everything_throws_after_disposal()
    {
        using var model = new Model();
        var optimizer = new AdamW(model.Engine, model.Parameters);
        var state = optimizer.StateDict();
        var group = optimizer.Groups[0];
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(optimizer.Step);
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(default));
        Assert.Throws<ObjectDisposedException>(() => optimizer.StepCount());
        Assert.Throws<ObjectDisposedException>(() => optimizer.SetStepCounts([]));
        Assert.Throws<ObjectDisposedException>(() => optimizer.States(0));
        Assert.Throws<ObjectDisposedException>(() => optimizer.StateDict());
        Assert.Throws<ObjectDisposedException>(() => optimizer.LoadStateDict(state));
        Assert.Throws<ObjectDisposedException>(() => optimizer.Save("never-written"));
        Assert.Throws<ObjectDisposedException>(() => optimizer.Load("never-read"));
        Assert.Throws<ObjectDisposedException>(() => optimizer.BytesPerStep);
        Assert.Throws<ObjectDisposedException>(() => optimizer.LaunchesPerStep);
        Assert.Throws<ObjectDisposedException>(() => group.LearningRate = 0.5);

        var tensor = Tensor.Allocate(model.Engine, DType.Float32, 2);
        tensor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.Pointer);
        Assert.Throws<ObjectDisposedException>(() => tensor.CopyFrom([1f, 2]));
        Assert.Throws<ObjectDisposedException>(() => tensor.ToDoubles());
        Assert.Throws<ObjectDisposedException>(() => tensor.Rebind(64));
        Assert.Throws<ObjectDisposedException>(() => HelperFunctions.Centralize(model.Engine, [tensor]));

        var engine = TestDevice.Open();
        engine.Dispose();
        Assert.Throws<ObjectDisposedException>(() => engine.Description);
        Assert.Throws<ObjectDisposedException>(engine.Synchronize);
        Assert.Throws<ObjectDisposedException>(() => engine.SetStream(0));
        Assert.Throws<ObjectDisposedException>(() => Tensor.Allocate(engine, DType.Float32, 2));
        Assert.Throws<ObjectDisposedException>(() => new AdamW(engine, Array.Empty<Parameter>()));
    }

    [Fact]
    public void Memory_that_is_bound_outlives_its_disposed_tensor()
    {
        using var engine = TestDevice.Open();
        var value = Tensor.Allocate(engine, DType.Float32, 1 << 16);
        var gradient = Tensor.Allocate(engine, DType.Float32, 1 << 16);
        var parameter = new Parameter(value, gradient);
        using var optimizer = new AdamW(engine, [parameter]);
        gradient.Dispose();
        parameter.Gradient = null;
        optimizer.Step();
        value.Dispose();
        var exception = Assert.Throws<ObjectDisposedException>(optimizer.Step);
        Assert.Contains("Parameter 0", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Abandoned_objects_are_finalized_safely()
    {
        for (var i = 0; i < 20; i++)
        {
            Abandon();
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Abandon()
        {
            var engine = TestDevice.Open();
            var value = Tensor.Allocate(engine, DType.Float32, 1024);
            var gradient = Tensor.Allocate(engine, DType.Float32, 1024);
            new AdamW(engine, [new Parameter(value, gradient)]).Step();
        }
    }

    [Fact]
    public void The_owner_of_borrowed_memory_lives_as_long_as_it_is_bound()
    {
        using var engine = TestDevice.Open();
        using var memory = Tensor.Allocate(engine, DType.Float32, 8);
        using var other = Tensor.Allocate(engine, DType.Float32, 8);
        var parameter = new Parameter(memory);
        using var optimizer = new AdamW(engine, [parameter]);
        var owner = Bind();
        optimizer.Step();
        parameter.Gradient = null;
        Garbage.Collect();
        Assert.True(owner.IsAlive); // the plan still has the pointer

        optimizer.Step();
        Garbage.Collect();
        Assert.False(owner.IsAlive);

        [MethodImpl(MethodImplOptions.NoInlining)]
        WeakReference Bind()
        {
            var token = new object();
            parameter.Gradient = Tensor.Borrow(other.Pointer, DType.Float32, [8], engine, token);
            return new WeakReference(token);
        }
    }

    private static IEnumerable<string> Permutations(string letters) =>
        letters.Length <= 1
            ? [letters]
            : letters.SelectMany((letter, i) => Permutations(letters.Remove(i, 1)).Select(rest => letter + rest));
}
