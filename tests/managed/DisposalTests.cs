using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
    public void States_are_gone_with_their_optimizer()
    {
        using var model = new Model();
        var optimizer = new AdamW(model.Engine, model.Parameters);
        var state = optimizer.States(0)["exp_avg"];
        Assert.Same(state, optimizer.States(0)["exp_avg"]);
        using var other = new AdamW(model.Engine, [new Parameter(model.Parameters[0].Value, state)]);
        other.Step();
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => state.Pointer);
        Assert.Throws<ObjectDisposedException>(() => state.ToDoubles());
        Assert.Throws<ObjectDisposedException>(() => state.CopyFromDoubles(new double[12]));
        Assert.Throws<ObjectDisposedException>(() => HelperFunctions.Centralize(model.Engine, [state]));
        Assert.Throws<ObjectDisposedException>(other.Step);
    }

    [Fact]
    public void A_state_that_was_disposed_can_be_had_again()
    {
        using var model = new Model();
        using var optimizer = new AdamW(model.Engine, model.Parameters);
        optimizer.Step();
        optimizer.States(0)["exp_avg"].Dispose();
        optimizer.Step();
        Assert.NotEqual(0, optimizer.States(0)["exp_avg"].ToDoubles()[0]);
    }

    [Fact]
    public void States_without_a_hyper_that_is_switched_off_are_gone()
    {
        using var model = new Model();
        using var optimizer = Optimizer.Create("sgd", model.Engine, model.Parameters, new Dictionary<string, double> { ["momentum"] = 0.9 });
        var state = optimizer.States(0)["momentum_buffer"];
        optimizer.Groups[0]["momentum"] = 0;
        Assert.Throws<ObjectDisposedException>(() => state.ToDoubles());
    }

    [Fact]
    public void Nothing_begins_on_an_engine_that_is_disposed()
    {
        var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, DType.Float32, 4);
        using var gradient = Tensor.Allocate(engine, DType.Float32, 4);
        using var optimizer = new AdamW(engine, [new Parameter(value, gradient)]);
        using var scaler = new GradientScaler(engine);
        using var sam = new SharpnessAwareMinimization(optimizer);
        engine.Dispose();
        Assert.Throws<ObjectDisposedException>(() => new AdamW(engine, [new Parameter(value, gradient)]));
        Assert.Throws<ObjectDisposedException>(() => new GradientScaler(engine));
        Assert.Throws<ObjectDisposedException>(() => new SharpnessAwareMinimization(optimizer));
        Assert.Throws<ObjectDisposedException>(() => Tensor.Allocate(engine, DType.Float32, 4));
        Assert.Throws<ObjectDisposedException>(() => HelperFunctions.Centralize(engine, [gradient]));
        Assert.Throws<ObjectDisposedException>(() => MatrixRoots.Inverse(engine, [], [], 2));
        Assert.Throws<ObjectDisposedException>(() => GradientSurgery.Merge(engine, [[gradient]], [gradient]));

        // What was there goes on.
        gradient.CopyFrom([1f, 2, 3, 4]);
        sam.FirstStep();
        sam.SecondStep();
        scaler.Step(optimizer);
        scaler.Update();
        optimizer.Groups[0]["ams_bound"] = 1;
        optimizer.LoadStateDict(optimizer.StateDict());
        Assert.Equal(2, optimizer.StepCount());
        Assert.NotEqual(0, value.ToDoubles()[0]);
    }

    [Fact]
    public void A_tensor_is_gone_with_the_handle_that_owns_its_memory()
    {
        using var engine = TestDevice.Open();
        using var memory = Tensor.Allocate(engine, DType.Float32, 8);
        using var gradient = Tensor.Allocate(engine, DType.Float32, 8);
        var owner = new CountedOwner();
        using var value = Tensor.Borrow(memory.Pointer, DType.Float32, [8], engine, owner);
        using (var optimizer = new AdamW(engine, [new Parameter(value, gradient)]))
        {
            owner.Dispose();
            optimizer.Step(); // which holds it
            Assert.False(owner.IsClosed);
        }

        Assert.True(owner.IsClosed);
        Assert.Throws<ObjectDisposedException>(() => value.Pointer);
        Assert.Throws<ObjectDisposedException>(() => new AdamW(engine, [new Parameter(value, gradient)]));
    }

    [Fact]
    public void Finalizers_may_use_what_is_finalized_already()
    {
        var failures = new List<Exception>();
        for (var i = 0; i < 20; i++)
        {
            Abandon(failures);
            Garbage.Collect();
        }

        Assert.All(failures, failure => Assert.IsType<ObjectDisposedException>(failure));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Abandon(List<Exception> failures)
        {
            var engine = TestDevice.Open();
            var value = Tensor.Allocate(engine, DType.Float32, 1024);
            var gradient = Tensor.Allocate(engine, DType.Float32, 1024);
            var optimizer = new AdamW(engine, [new Parameter(value, gradient)]);
            var scaler = new GradientScaler(engine);
            var state = optimizer.States(0)["exp_avg"];
            _ = new Finalizable(
                failures,
                optimizer.Step,
                () => state.ToDoubles(),
                () => scaler.Step(optimizer),
                scaler.Update,
                () => HelperFunctions.Centralize(engine, [gradient]),
                optimizer.Dispose,
                () => state.ToDoubles(),
                value.Dispose,
                engine.Dispose,
                () => gradient.ToDoubles()
            );
        }
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

    /// <summary>Owns nothing, and knows whether it would still be there.</summary>
    private sealed class CountedOwner() : SafeHandle(1, ownsHandle: true)
    {
        public override bool IsInvalid => false;

        protected override bool ReleaseHandle() => true;
    }

    private sealed class Finalizable(List<Exception> failures, params Action[] actions)
    {
        ~Finalizable()
        {
            foreach (var action in actions)
            {
                if (Record.Exception(action) is { } failure)
                {
                    failures.Add(failure);
                }
            }
        }
    }

    private static IEnumerable<string> Permutations(string letters) =>
        letters.Length <= 1
            ? [letters]
            : letters.SelectMany((letter, i) => Permutations(letters.Remove(i, 1)).Select(rest => letter + rest));
}
