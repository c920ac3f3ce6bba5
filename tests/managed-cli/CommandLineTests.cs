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
                Assert.All(
                    rule.Hypers,
                    hyper => Assert.Contains($" {hyper.Name} ", run.Output, StringComparison.Ordinal));
                Assert.All(rule.Slots, slot => Assert.Contains($" {slot.Name} ", run.Output, StringComparison.Ordinal));
            }
        );

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
