using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>A run that went through a checkpoint is the run that never stopped.</summary>
public sealed class CheckpointTests
{
    private const int Middle = 5;
    private const int End = 12;

    public static TheoryData<string, bool> Cases()
    {
        var cases = new TheoryData<string, bool>();
        foreach (var rule in Catalogue.Rules)
        {
            cases.Add(rule.Name, false);
            cases.Add(rule.Name, true);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Resuming_equals_never_having_stopped(string rule, bool helpers)
    {
        using var scratch = new Scratch();
        var file = scratch.File("checkpoint.safetensors");
        using var whole = new Training(rule, helpers ? Training.AllHelpers(rule) : null);
        whole.Train(1, Middle);
        whole.Checkpoint.Save(file);
        using var resumed = new Training(rule, helpers ? Training.AllHelpers(rule) : null, rate: 0.5); // 0.05 in the file
        resumed.Checkpoint.Load(file);
        resumed.Checkpoint.Save(scratch.File("again"));
        Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(scratch.File("again")));

        AssertEndSame(whole, resumed);
        Assert.Equal(End - 2, whole.Optimizer.StepCount()); // two overflows
        Assert.Equal(End, whole.Scheduler.Position);
    }

    [Theory]
    [InlineData(DType.Float64)]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void It_does_so_in_every_storage_type(DType dtype)
    {
        using var scratch = new Scratch();
        using var whole = new Training("adamw", Training.AllHelpers("adamw"), dtype: dtype);
        whole.Train(1, Middle);
        whole.Checkpoint.Save(scratch.File("file"));
        using var resumed = new Training("adamw", Training.AllHelpers("adamw"), dtype: dtype);
        resumed.Train(1, 2); // what it did before is forgotten
        resumed.Checkpoint.Load(scratch.File("file"));
        AssertEndSame(whole, resumed);
    }

    [Fact]
    public void It_does_so_with_the_loss_scaling_of_fairseq()
    {
        var scaling = new FairseqScaling { InitScale = 64, ScaleWindow = 3, Tolerance = 0.25 };
        using var scratch = new Scratch();
        using var whole = new Training("adam", scaling: scaling);
        whole.Train(1, Middle);
        whole.Checkpoint.Save(scratch.File("file"));
        using var resumed = new Training("adam", scaling: scaling);
        resumed.Checkpoint.Load(scratch.File("file"));
        AssertEndSame(whole, resumed);
    }

    [Fact]
    public void Parameters_have_steps_and_groups_rates_and_schedules_of_their_own()
    {
        using var scratch = new Scratch();
        using var model = new Model();
        var schedule = new StepSchedule { LearningRate = 0.5, StepSize = 2, Gamma = 0.5 };
        var (optimizer, scheduler) = Make(0.25);
        using (optimizer)
        {
            optimizer.SetStepCounts([new StepCounts(0), new StepCounts(40), new StepCounts(0)]);
            for (var step = 0; step < 3; step++)
            {
                scheduler.Next();
                optimizer.Step();
            }

            new Checkpoint(optimizer) { Scheduler = scheduler }.Save(scratch.File("file"));
        }

        var (other, resumed) = Make(0.125);
        using (other)
        {
            new Checkpoint(other) { Scheduler = resumed }.Load(scratch.File("file"));
            Assert.Equal([3L, 43L], [other.StepCount(0), other.StepCount(1)]);
            Assert.Equal([0.25, 0.25], [other.Groups[0].LearningRate, other.Groups[1].LearningRate]);
            resumed.MoveTo(5);
            Assert.Equal([0.125, 0.25], [other.Groups[0].LearningRate, other.Groups[1].LearningRate]);
        }

        (Optimizer Optimizer, LearningRateScheduler Scheduler) Make(double secondRate)
        {
            var made = Optimizer.Create(
                "adamw",
                model.Engine,
                [
                    new ParameterGroup(model.Parameters.Take(2)),
                    new ParameterGroup(model.Parameters.Skip(2), new Dictionary<string, double> { ["lr"] = secondRate }),
                ]
            );
            return (made, new LearningRateScheduler(made, [schedule, null]));
        }
    }

    [Fact]
    public void The_optimizer_takes_its_part_of_a_whole_checkpoint()
    {
        using var scratch = new Scratch();
        using var whole = new Training("adam");
        whole.Train(1, Middle);
        whole.Checkpoint.Save(scratch.File("file"));
        using var other = new Training("adam");
        other.Optimizer.Load(scratch.File("file"));
        StateTests.AssertSame(whole.Optimizer.StateDict(), other.Optimizer.StateDict());
        Assert.Equal(0, other.Scheduler.Position);
        Assert.Equal(64, other.Scaler.GetScale());
    }

    [Fact]
    public void Other_settings_are_taken_where_that_is_allowed()
    {
        using var scratch = new Scratch();
        using var whole = new Training("adamw", new Helpers { ClipNorm = 1 });
        whole.Train(1, Middle);
        whole.Checkpoint.Save(scratch.File("file"));

        var longer = new CosineSchedule { MaxLearningRate = 0.05, TMax = 24, WarmupSteps = 3 };
        using var other = new Training("adamw", new Helpers { ClipValue = 2 }, longer);
        Assert.Throws<OptimException>(() => other.Checkpoint.Load(scratch.File("file")));
        new Checkpoint(other.Optimizer) { Scheduler = other.Scheduler, AcceptOtherSettings = true }.Load(scratch.File("file"));
        Assert.Equal(Middle, other.Scheduler.Position);
        Assert.Equal(longer.ValueAt(Middle), other.Optimizer.Groups[0].LearningRate);
        Assert.Equal(whole.Optimizer.StepCount(), other.Optimizer.StepCount());

        using var slower = new Training("adamw", new Helpers { LookaheadK = 2, LookaheadAlpha = 0.5 });
        var exception = Assert.Throws<OptimException>(() =>
            new Checkpoint(slower.Optimizer) { AcceptOtherSettings = true }.Load(scratch.File("file"))
        );
        Assert.Contains("\"state.0.slow_params\"", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Large_states_are_written_and_read_in_pieces_and_where_they_belong()
    {
        const long Elements = 5_000_001;
        using var engine = TestDevice.Open();
        using var value = Tensor.Allocate(engine, DType.Float32, Elements);
        using var gradient = Tensor.Allocate(engine, DType.Float32, Elements);
        using var optimizer = Optimizer.Create("sgd", engine, [new(value, gradient)], new Dictionary<string, double> { ["momentum"] = 0.5 });
        gradient.CopyFrom([.. Enumerable.Range(0, (int)Elements).Select(i => (float)i)]);
        optimizer.Step();
        using var scratch = new Scratch();
        var unsaved = GC.GetAllocatedBytesForCurrentThread();
        optimizer.Save(scratch.File("large"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - unsaved, 0, optimizer.StateBytes / 2);
        gradient.CopyFrom(new float[Elements]);
        optimizer.Step();

        using var file = SafeTensorsFile.Open(scratch.File("large"));
        var source = new WatchedSource(file);
        var before = GC.GetAllocatedBytesForCurrentThread();
        optimizer.LoadStateDict(source);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange(allocated, 0, optimizer.StateBytes / 2);
        Assert.Equal(optimizer.StateBytes, source.Pieces.Sum());
        Assert.All(source.Pieces, piece => Assert.InRange(piece, 1, 1 << 23));
        Assert.Equal(
            file.Tensors.Keys.Select(name => TensorSet.CopyOf(file).Get<byte>(name)),
            file.Tensors.Keys.Select(name => optimizer.StateDict().Get<byte>(name))
        );
    }

    [Fact]
    public void A_temporary_file_that_was_abandoned_is_cleared_away()
    {
        using var scratch = new Scratch();
        var abandoned = scratch.File($".optim-{Guid.NewGuid():N}.tmp");
        var foreign = scratch.File(".optim-notes.tmp");
        var busy = scratch.File($".optim-{Guid.NewGuid():N}.tmp");
        File.WriteAllText(abandoned, "half a st");
        File.WriteAllText(foreign, "not ours");
        using (new FileStream(busy, FileMode.CreateNew, FileAccess.Write, FileShare.None))
        {
            SafeTensors.Save(scratch.File("file"), new TensorSet());
        }

        Assert.False(File.Exists(abandoned));
        Assert.True(File.Exists(foreign));
        Assert.True(File.Exists(busy));
    }

    /// <summary>Parameters are not part of a checkpoint: the resumed run gets them here, and both go on to the end.</summary>
    private static void AssertEndSame(Training whole, Training resumed)
    {
        whole.CopyValuesTo(resumed);
        whole.Train(Middle + 1, End);
        resumed.Train(Middle + 1, End);
        AssertSame(whole, resumed);
    }

    internal static void AssertSame(Training expected, Training actual)
    {
        Assert.Equal(expected.Values, actual.Values);
        StateTests.AssertSame(expected.Optimizer.StateDict(), actual.Optimizer.StateDict());
        Assert.Equal(expected.Scaler.StateDict(), actual.Scaler.StateDict());
        Assert.Equal(expected.Scheduler.Position, actual.Scheduler.Position);
        Assert.Equal(expected.Sharpness.Options, actual.Sharpness.Options);
    }

    private sealed class WatchedSource(ITensorSource source) : ITensorSource
    {
        public List<long> Pieces { get; } = [];

        public IReadOnlyDictionary<string, string> Metadata => source.Metadata;

        public IReadOnlyDictionary<string, TensorInfo> Tensors => source.Tensors;

        public void Read(string name, long offset, Span<byte> destination)
        {
            Pieces.Add(destination.Length);
            source.Read(name, offset, destination);
        }
    }
}
