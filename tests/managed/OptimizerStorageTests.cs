using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Master weights and stochastic rounding of 16-bit parameters.</summary>
public sealed class OptimizerStorageTests
{
    private const string Master = "master_param";

    private static readonly OptimizerStorage s_master = new() { MasterWeights = true };

    [Theory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void Master_weights_follow_parameters_that_were_changed(DType dtype)
    {
        using var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, dtype, 3);
        using var gradient = Tensor.Allocate(engine, dtype, 3);
        value.CopyFromDoubles([3, 3, 3]);
        gradient.CopyFromDoubles([1, 1, 1]);
        var lr = new Dictionary<string, double> { ["lr"] = 1.0 / 4096 };
        using var optimizer = Optimizer.Create("sgd", engine, [new Parameter(value, gradient)], lr, storage: s_master);
        optimizer.Step();
        value.CopyFromDoubles([3, 5, 3]);
        optimizer.TakeParameters();
        optimizer.Step();
        var kept = 3 - (2.0 / 4096); // what the type of the parameter does not hold
        Assert.Equal([kept, 5 - (1.0 / 4096), kept], optimizer.States(0)["master_param"].ToDoubles());
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Master_weights_are_the_parameters_of_a_training_in_Float32(string rule)
    {
        using var model = new Model(DType.BFloat16);
        using var optimizer = model.Optimizer(rule, storage: s_master);
        using var wide = new Model(DType.Float32);
        using var expected = wide.Optimizer(rule);
        model.Train(optimizer, 1, 4);
        wide.Train(expected, 1, 4);
        for (var i = 0; i < model.Parameters.Count; i++)
        {
            var master = optimizer.States(i)[Master];
            Assert.Equal(DType.Float32, master.DType);
            Assert.Equal(wide.Parameters[i].Value.ToDoubles(), master.ToDoubles());
            using var narrowed = Tensor.Allocate(model.Engine, DType.BFloat16, master.Shape);
            narrowed.CopyFromDoubles(master.ToDoubles());
            Assert.Equal(narrowed.ToDoubles(), model.Parameters[i].Value.ToDoubles());
        }

        Assert.Equal(expected.StateBytes + (4 * model.Values.Length), optimizer.StateBytes);
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Saved_in_the_middle_they_continue_to_the_bit(string rule)
    {
        using var scratch = new Scratch();
        foreach (var storage in new[] { s_master, new OptimizerStorage { StochasticRoundingSeed = 7 } })
        {
            var file = scratch.File("state.safetensors");
            using var model = new Model(DType.BFloat16, named: true);
            using var optimizer = model.Optimizer(rule, storage: storage);
            model.Train(optimizer, 1, 3);
            optimizer.Save(file);
            Assert.Equal(
                storage.MasterWeights,
                optimizer.StateDict().Tensors.ContainsKey($"state.layer0.weight.{Master}")
            );

            using var resumed = new Model(DType.BFloat16, named: true);
            using var restored = resumed.Optimizer(rule, storage: storage);
            restored.Load(file);
            model.CopyValuesTo(resumed);
            model.Train(optimizer, 4, 7);
            resumed.Train(restored, 4, 7);
            Assert.Equal(model.Values, resumed.Values);
            StateTests.AssertSame(optimizer.StateDict(), restored.StateDict());
        }
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Switched_on_in_resuming_they_are_the_parameters(string rule)
    {
        using var model = new Model(DType.BFloat16);
        using var optimizer = model.Optimizer(rule);
        model.Train(optimizer, 1, 3);
        using var wide = new Model(DType.Float32);
        using var expected = wide.Optimizer(rule);
        using var resumed = new Model(DType.BFloat16);
        using var restored = resumed.Optimizer(rule, storage: s_master);
        for (var i = 0; i < model.Parameters.Count; i++)
        {
            wide.Parameters[i].Value.CopyFromDoubles(model.Parameters[i].Value.ToDoubles());
        }

        model.CopyValuesTo(resumed);
        var state = optimizer.StateDict();
        restored.LoadStateDict(state);
        state.Metadata["parameters"] = state.Metadata["parameters"].Replace("BF16", "F32", StringComparison.Ordinal);
        expected.LoadStateDict(state);
        resumed.Train(restored, 4, 7);
        wide.Train(expected, 4, 7);
        for (var i = 0; i < model.Parameters.Count; i++)
        {
            Assert.Equal(wide.Parameters[i].Value.ToDoubles(), restored.States(i)[Master].ToDoubles());
        }
    }

    [Fact]
    public void Large_parameters_become_master_weights_piece_by_piece()
    {
        const int Count = (1 << 19) + 5;
        using var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, DType.Float16, Count);
        value.CopyFromDoubles([.. Enumerable.Range(0, Count).Select(i => (double)(i % 2048))]);
        using var without = Optimizer.Create("adamw", engine, [new Parameter(value)]);
        using var with = Optimizer.Create("adamw", engine, [new Parameter(value)], null, null, s_master);
        with.States(0)[Master].CopyFromDoubles(new double[Count]);
        with.LoadStateDict(without.StateDict());
        Assert.Equal(value.ToDoubles(), with.States(0)[Master].ToDoubles());
    }

    [Fact]
    public void A_state_with_master_weights_is_refused_where_there_are_none()
    {
        using var model = new Model(DType.Float16);
        using var with = model.Optimizer("adamw", storage: s_master);
        using var without = model.Optimizer("adamw");
        Assert.Contains(Master, Assert.Throws<OptimException>(() => without.LoadStateDict(with.StateDict())).Message);
    }

    [Fact]
    public void Draws_follow_the_seed()
    {
        double[] Train(ulong seed)
        {
            using var model = new Model(DType.BFloat16);
            using var optimizer = model.Optimizer(
                "adamw",
                storage: new OptimizerStorage { StochasticRoundingSeed = seed }
            );
            model.Train(optimizer, 1, 5);
            return model.Values;
        }

        Assert.Equal(Train(1), Train(1));
        Assert.NotEqual(Train(1), Train(2));
        Assert.NotEqual(Train(1), Train(ulong.MaxValue));
    }

    [Fact]
    public void Steps_too_small_for_BFloat16_are_kept()
    {
        // From 1 on numbers of BFloat16 are 1/128 apart: rounding to nearest notices no step, and twice that in all is exact.
        const int Steps = 1000;
        const int Count = 4096;
        var hypers = new Dictionary<string, double> { ["lr"] = 1.0 / (64 * Steps) };
        double Change(OptimizerStorage storage)
        {
            using var engine = TestDevice.Open();
            using var value = Tensor.Allocate(engine, DType.BFloat16, Count);
            using var gradient = Tensor.Allocate(engine, DType.BFloat16, Count);
            value.CopyFromDoubles([.. Enumerable.Repeat(1.0, Count)]);
            gradient.CopyFromDoubles([.. Enumerable.Repeat(-1.0, Count)]);
            using var optimizer = Optimizer.Create("sgd", engine, [new Parameter(value, gradient)], hypers, null, storage);
            for (var step = 0; step < Steps; step++)
            {
                optimizer.Step();
            }

            return 64 * (value.ToDoubles().Average() - 1);
        }

        Assert.Equal(0, Change(new OptimizerStorage()));
        Assert.InRange(Change(new OptimizerStorage { StochasticRoundingSeed = 1 }), 0.95, 1.05);
        Assert.Equal(1, Change(s_master));
    }

    [Fact]
    public void Other_types_are_refused()
    {
        using var wide = new Model(DType.Float64);
        using var half = new Model(DType.Float16);
        using var brain = new Model(DType.BFloat16);
        var random = new OptimizerStorage { StochasticRoundingSeed = 0 };
        AssertRefused(["params[0]", "F64", "master_weights", "F16 and BF16"], wide, s_master);
        AssertRefused(["params[0]", "F64", "stochastic_rounding", "BF16"], wide, random);
        AssertRefused(["params[0]", "F16", "stochastic_rounding", "BF16"], half, random);
        AssertRefused(["master_weights", "stochastic_rounding"], brain, random with { MasterWeights = true });
    }

    private static void AssertRefused(string[] words, Model model, OptimizerStorage storage)
    {
        var message = Assert.Throws<OptimException>(() => model.Optimizer("adamw", storage: storage)).Message;
        Assert.All(words, word => Assert.Contains(word, message, StringComparison.Ordinal));
    }
}
