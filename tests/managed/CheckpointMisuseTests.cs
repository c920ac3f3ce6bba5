using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>A checkpoint whose schedules or scaler do not fit is refused by name, and nothing has changed.</summary>
public sealed class CheckpointMisuseTests
{
    public static TheoryData<string, string, string, string> Changes() =>
        new()
        {
            { "scheduler", "{", "[", "no sound JSON" },
            { "scheduler", "\"position\":5", "\"position\":-1", "scheduler.position = -1" },
            { "scheduler", "\"position\":5", "\"position\":0.5", "scheduler.position = 0.5" },
            { "scheduler", "\"cosine\"", "\"linear\"", "linear(" },
            { "scheduler", "\"cosine\"", "3", "scheduler.schedules[0].name" },
            { "scheduler", "0.05", "0.06", "cosine(0.06" },
            { "scheduler", "[{", "[{},{", "2 schedules" },
            { "scheduler", "\"schedules\"", "\"plans\"", "scheduler.schedules of the state is missing" },
            { "scaler", "\"_growth_tracker\":", "\"_growth_tracker\":-", "_growth_tracker = -" },
            { "scaler", "\"growth_factor\":2", "\"growth_factor\":0.5", "growth_factor" },
            { "scaler", "\"growth_factor\":2", "\"growth_factor\":0", "does not hold: GrowthFactor is 0" },
            { "scaler", "\"growth_factor\"", "\"growth_sector\"", "\"growth_sector\"" },
            { "scaler", "\"backoff_factor\":0.5", "\"backoff_factor\":\"half\"", "backoff_factor" },
            { "scaler", "\"scale\":", "\"scale\":1e300,\"x\":", "\"x\"" },
        };

    [Theory]
    [MemberData(nameof(Changes))]
    public void A_foreign_part_is_refused_whole(string key, string before, string after, string named)
    {
        using var scratch = new Scratch();
        using var training = new Training("adamw");
        training.Train(1, 5);
        training.Checkpoint.Save(scratch.File("file"));
        training.Train(6, 6);
        training.Checkpoint.Save(scratch.File("before"));

        var foreign = SafeTensors.Load(scratch.File("file"));
        Assert.Contains(before, foreign.Metadata[key], StringComparison.Ordinal);
        foreign.Metadata[key] = foreign.Metadata[key].Replace(before, after, StringComparison.Ordinal);
        var exception = Assert.Throws<OptimException>(() => training.Checkpoint.Load(foreign));
        Assert.Contains(named, exception.Message, StringComparison.Ordinal);
        training.Checkpoint.Save(scratch.File("after"));
        Assert.Equal(File.ReadAllBytes(scratch.File("before")), File.ReadAllBytes(scratch.File("after")));
    }

    [Theory]
    [InlineData("scheduler")]
    [InlineData("scaler")]
    public void A_part_that_is_asked_for_must_be_there(string key)
    {
        using var scratch = new Scratch();
        using var training = new Training("adamw");
        training.Optimizer.Save(scratch.File("file"));
        var checkpoint = new Checkpoint(training.Optimizer)
        {
            Scheduler = key == "scheduler" ? training.Scheduler : null,
            Scaler = key == "scaler" ? training.Scaler : null,
        };
        var message = Assert.Throws<OptimException>(() => checkpoint.Load(scratch.File("file"))).Message;
        Assert.Contains($"\"{key}\"", message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_other_rule_of_loss_scaling_is_refused()
    {
        using var scratch = new Scratch();
        using var training = new Training("adamw");
        training.Checkpoint.Save(scratch.File("file"));
        using var fairseq = new GradientScaler(training.Optimizer.Engine, new FairseqScaling());
        var checkpoint = new Checkpoint(training.Optimizer) { Scaler = fairseq };
        var message = Assert.Throws<OptimException>(() => checkpoint.Load(scratch.File("file"))).Message;
        Assert.Contains("FairseqScaling", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_scaler_between_step_and_update_is_not_saved()
    {
        using var scratch = new Scratch();
        using var training = new Training("adamw");
        training.Scaler.Step(training.Optimizer);
        Assert.Throws<InvalidOperationException>(() => training.Checkpoint.Save(scratch.File("file")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(scratch.Folder));
        training.Scaler.Update();
        training.Checkpoint.Save(scratch.File("file"));
    }

    [Fact]
    public void A_state_that_lies_otherwise_in_memory_is_refused()
    {
        using var engine = TestDevice.Open();
        using var rows = Tensor.Allocate(engine, DType.Float32, 2, 3, 4);
        using var same = Tensor.Borrow(rows.Pointer, DType.Float32, [2, 3, 4], engine, rows, [12, 4, 1]);
        using var channelsLast = Tensor.Borrow(rows.Pointer, DType.Float32, [2, 3, 4], engine, rows, [12, 1, 3]);
        using var first = Optimizer.Create("adamw", engine, [new Parameter(rows)]);
        using var second = Optimizer.Create("adamw", engine, [new Parameter(channelsLast)]);
        using var third = Optimizer.Create("adamw", engine, [new Parameter(same)]);
        var message = Assert.Throws<OptimException>(() => second.LoadStateDict(first.StateDict())).Message;
        Assert.Contains("\"order\":[0,2,1]", message, StringComparison.Ordinal);
        third.LoadStateDict(first.StateDict());
        second.LoadStateDict(second.StateDict());
    }

    [Fact]
    public void Schedules_must_be_as_many_as_groups()
    {
        using var model = new Model();
        using var optimizer = model.Optimizer("adamw");
        Assert.Throws<ArgumentNullException>(() => new LearningRateScheduler(null!, Training.Cosine));
        Assert.Throws<ArgumentNullException>(() => new LearningRateScheduler(optimizer, (LearningRateSchedule)null!));
        var message = Assert
            .Throws<ArgumentException>(() => new LearningRateScheduler(optimizer, [Training.Cosine, null]))
            .Message;
        Assert.Contains("1 groups; there are 2", message, StringComparison.Ordinal);
        var scheduler = new LearningRateScheduler(optimizer, Training.Cosine);
        Assert.Throws<ArgumentOutOfRangeException>(() => scheduler.MoveTo(-1));
        Assert.Equal(0, scheduler.Position);
        scheduler.Next();
        Assert.Equal(Training.Cosine.ValueAt(1), optimizer.Groups[0].LearningRate);
    }
}
