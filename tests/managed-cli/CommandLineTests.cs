using System.Text;

namespace Optim.Cli.Tests;

/// <summary>What the program answers to right and wrong command lines.</summary>
public sealed class CommandLineTests
{
    [Theory]
    [InlineData("bogus", "bogus")]
    [InlineData("info", "info")]
    [InlineData("replay only-one", "replay")]
    [InlineData("demo --epochs 0", "--epochs 0: must be a whole number of at least 1")]
    [InlineData("demo --epochs many", "--epochs many")]
    [InlineData("demo --device tpu", "--device tpu: allowed are cpu, cuda and cuda:N")]
    [InlineData("replay a b --dtype f16", "--dtype f16: allowed are f32, f64")]
    [InlineData("bench --dtype int8", "allowed are f32, bf16, f16, f64")]
    [InlineData("bench --elements 1.5", "--elements 1.5")]
    [InlineData("list --no-such-option", "--no-such-option")]
    [InlineData("schedule cosine --steps 0", "--steps 0: must be a whole number of at least 1")]
    public void Wrong_usage_is_one_line_and_code_2(string line, string part) =>
        CommandLine.Run(line.Split(' ')).AssertError(2, part);

    [Fact]
    public void Usage_alone_is_code_2() => Assert.Equal(2, CommandLine.Run().Code);

    [Fact]
    public void List_has_every_rule()
    {
        var run = CommandLine.Run("list");
        Assert.Equal(0, run.Code);
        Assert.NotEmpty(Catalogue.Rules);
        Assert.All(Catalogue.Rules, rule => Assert.Contains($" {rule.Name} ", run.Output, StringComparison.Ordinal));
    }

    [Fact]
    public void Info_has_every_hyper_parameter_and_state_of_every_rule() =>
        Assert.All(
            Catalogue.Rules,
            rule =>
            {
                var run = CommandLine.Run("info", rule.Name);
                Assert.Equal(0, run.Code);
                Assert.Contains(rule.Paper, run.Output, StringComparison.Ordinal);
                Assert.Contains(rule.Url, run.Output, StringComparison.Ordinal);
                Assert.Contains($" {Short(rule.Cost.Matrix)} ", Line(run, "Moves"), StringComparison.Ordinal);
                Assert.Contains($" {Short(rule.Cost.MatrixState)} ", Line(run, "Keeps"), StringComparison.Ordinal);
                Assert.All(
                    rule.Hypers,
                    hyper => Assert.Contains($" {hyper.Name} ", run.Output, StringComparison.Ordinal));
                Assert.All(rule.Slots, slot => Assert.Contains($" {slot.Name} ", run.Output, StringComparison.Ordinal));
            }
        );

    private static string Line(CommandLine run, string start) =>
        Assert.Single(run.Output.Split('\n'), line => line.StartsWith(start, StringComparison.Ordinal));

    private static string Short(double value) => Output.NumberText.Short(value);

    [Fact]
    public void List_and_info_have_every_schedule()
    {
        string list = CommandLine.Run("list").Output;
        Assert.NotEmpty(Catalogue.Schedules);
        Assert.All(
            Catalogue.Schedules,
            schedule =>
            {
                Assert.Contains($" {schedule.Name} ", list, StringComparison.Ordinal);
                var run = CommandLine.Run("info", schedule.Name);
                Assert.Equal(0, run.Code);
                Assert.Contains(schedule.Paper, run.Output, StringComparison.Ordinal);
                Assert.Contains(schedule.Url, run.Output, StringComparison.Ordinal);
                Assert.All(
                    schedule.Hypers,
                    hyper => Assert.Contains($" {hyper.Name} ", run.Output, StringComparison.Ordinal));
            }
        );
    }

    [Fact]
    public void Schedule_prints_a_line_for_each_step()
    {
        var run = CommandLine.Run("schedule", "STEP", "--set", "lr=0.5", "step_size=2", "--set", "gamma=0.1", "--steps", "3");
        Assert.Equal(0, run.Code);
        Assert.Equal(["step,value", "1,0.5", "2,0.5", "3,0.05"], Lines(run));

        run = CommandLine.Run("schedule", "multi_step", "--set", "lr=1", "milestones=2,3", "--from", "2", "--steps", "3");
        Assert.Equal(["step,value", "2,1", "3,0.1", "4,0.010000000000000002"], Lines(run));

        run = CommandLine.Run("schedule", "wsd", "--set", "lr=1", "num_warmup_steps=0", "num_stable_steps=0",
            "num_decay_steps=4", "cooldown_type=linear", "--steps", "5");
        Assert.Equal(["step,value", "1,1", "2,0.75", "3,0.5", "4,0.25", "5,0"], Lines(run));

        static string[] Lines(CommandLine run) => run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Theory]
    [InlineData("schedule cosinus", "cosine_annealing")]
    [InlineData("schedule cosine", "max_lr must be given")]
    [InlineData("schedule cosine --set max_lr", "--set max_lr: expected KEY=VALUE")]
    [InlineData("schedule cosine --set lr=1", "no hyper-parameter \"lr\"; it has max_lr")]
    [InlineData("schedule cosine --set max_lr=-1", "max_lr = \"-1\" is not a number in [0, inf)")]
    [InlineData("schedule cosine --set max_lr=1 t_max=3 warmup_steps=3", "warmup_steps must be less than t_max")]
    public void Schedule_names_what_is_wrong(string line, string part) =>
        CommandLine.Run(line.Split(' ')).AssertError(1, part);

    [Theory]
    [InlineData("info no_such_rule")]
    [InlineData("demo --optimizer no_such_rule")]
    [InlineData("bench --rule no_such_rule")]
    public void Unknown_rule_names_what_there_is(string line) =>
        CommandLine.Run(line.Split(' ')).AssertError(1, Catalogue.Rules[^1].Name);

    [Fact]
    public void Unknown_helper_names_what_there_is() =>
        CommandLine.Run("bench", "--helpers", "magic").AssertError(1, "centralize");

    [Fact]
    public void Elements_must_divide() =>
        CommandLine.Run("bench", "--elements", "10", "--tensors", "3").AssertError(1, "equal tensors");

    [Fact]
    public void Replay_of_a_missing_file_fails() =>
        CommandLine.Run("replay", "no/such.safetensors", "out").AssertError(1, "no/such.safetensors");

    [Fact]
    public void Replay_of_a_hostile_file_fails()
    {
        using var scratch = new Scratch();
        string file = scratch.File("hostile.safetensors");
        File.WriteAllBytes(file, [.. BitConverter.GetBytes(ulong.MaxValue / 2), .. Encoding.UTF8.GetBytes("{}")]);
        CommandLine.Run("replay", file, scratch.File("out")).AssertError(1, "beyond the end of the file");
    }

    [Fact]
    public void Replay_of_something_that_is_no_case_fails()
    {
        using var scratch = new Scratch();
        string file = scratch.File("plain.safetensors");
        SafeTensors.Save(file, new TensorSet());
        CommandLine.Run("replay", file, scratch.File("out")).AssertError(1, "metadata 'format' is missing");
        Assert.False(File.Exists(scratch.File("out")));
    }
}
