using System.Runtime.CompilerServices;
using Optim.TorchSharp.Tests.Support;

namespace Optim.TorchSharp.Tests;

/// <summary>What steps may touch lives, and nothing lives longer.</summary>
public sealed class LifetimeTests
{
    private const int Alone = 1;

    [Theory]
    [InlineData("po")]
    [InlineData("op")]
    public void Everything_is_let_go_in_any_order_of_disposal(string order)
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([4]);
        using var gradient = TorchTensor.Make([4], requiresGrad: false);
        tensor.Gradient = gradient;
        var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
        var optimizer = new AdamW(engine, parameters);
        optimizer.Step();
        Assert.True(tensor.StorageUses > Alone);
        foreach (var which in order)
        {
            Assert.True(tensor.StorageUses > Alone);
            IDisposable thing = which == 'p' ? parameters : optimizer;
            thing.Dispose();
            thing.Dispose();
            Assert.Throws<ObjectDisposedException>(optimizer.Step);
        }

        tensor.Gradient = null;
        Assert.Equal((Alone, Alone), (tensor.StorageUses, gradient.Uses));
        Assert.Throws<ObjectDisposedException>(parameters.Refresh);
        Assert.Throws<ObjectDisposedException>(() => parameters.ZeroGrad());
    }

    [Fact]
    public void A_disposed_tensor_is_named_and_its_memory_stays_while_it_is_bound()
    {
        using var engine = new Engine();
        var tensor = TorchTensor.Make([4]);
        using var view = tensor.Strided([4], [1]);
        var uses = view.StorageUses;
        using var other = TorchTensor.Make([4]);
        using var parameters = TorchParameters.From(engine, [("first", other), ("second", tensor)], tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        tensor.Dispose();
        var message = Assert.Throws<InvalidOperationException>(optimizer.Step).Message;
        Assert.Contains("Tensor 1 (\"second\") is gone", message, StringComparison.Ordinal);
        Assert.Equal(uses, view.StorageUses); // the optimizer's instead of the tensor's
        parameters.Dispose();
        optimizer.Dispose();
        Assert.Equal(uses - 1, view.StorageUses);
    }

    [Fact]
    public void Dropped_gradients_are_let_go_by_a_refresh()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([4]);
        using var gradient = TorchTensor.Make([4], requiresGrad: false);
        tensor.Gradient = gradient;
        using var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        optimizer.Step();
        parameters.ZeroGrad();
        Assert.True(gradient.Uses > Alone);
        optimizer.Refresh();
        Assert.Equal(Alone, gradient.Uses);
    }

    [Fact]
    public void Steps_hold_no_gradient_twice()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([4]);
        using var gradient = TorchTensor.Make([4], requiresGrad: false);
        tensor.Gradient = gradient;
        using var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
        using var optimizer = new AdamW(engine, parameters);
        var uses = (tensor.StorageUses, tensor.Uses, gradient.Uses);
        for (var step = 0; step < 10; step++)
        {
            optimizer.Step();
        }

        Assert.Equal(uses, (tensor.StorageUses, tensor.Uses, gradient.Uses));
    }

    [Fact]
    public void The_optimizer_alone_keeps_the_managed_owners()
    {
        using var engine = new Engine();
        var (optimizer, owner) = Make(engine);
        Collect();
        Assert.True(owner.IsAlive);
        optimizer.Step();
        Assert.Equal(1, optimizer.StepCount());
        optimizer.Dispose();

        [MethodImpl(MethodImplOptions.NoInlining)]
        static (Optimizer Optimizer, WeakReference Owner) Make(Engine engine)
        {
            var tensor = TorchTensor.Make([4]);
            using var gradient = TorchTensor.Make([4], seed: 1, requiresGrad: false);
            tensor.Gradient = gradient;
            var parameters = TorchParameters.From(engine, [tensor], tensor => tensor.Handle);
            return (new AdamW(engine, parameters), new WeakReference(tensor));
        }
    }

    [Fact]
    public void What_nobody_disposes_the_finalizers_let_go()
    {
        using var engine = new Engine();
        using var tensor = TorchTensor.Make([4]);
        Make(engine, tensor);
        Collect();
        Assert.Equal(Alone, tensor.StorageUses);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Make(Engine engine, TorchTensor tensor)
        {
            new AdamW(engine, TorchParameters.From(engine, [tensor], tensor => tensor.Handle)).Step();
            Assert.True(tensor.StorageUses > Alone);
        }
    }

    private static void Collect()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
