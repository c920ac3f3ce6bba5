using System.Text.Json;
using Optim.Cli.Output;

namespace Optim.Cli.Tests;

public sealed class BenchTests
{
    [Theory]
    [InlineData("--master-weights", 2 + 2 + 8 + 16)]
    [InlineData("--stochastic-rounding", 2 + 4 + 16)]
    public void Parameters_may_keep_what_rounding_loses(string option, double bytes)
    {
        using var scratch = new Scratch();
        string file = scratch.File("bench.json");
        string[] arguments = ["bench", "--rule", "adamw", "--dtype", "bf16", "--elements", "4096", "--repeat", "1"];
        var run = CommandLine.Run([.. arguments, option, "--json", file]);
        Assert.True(run.Code == 0, run.Errors);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(file));
        Assert.Equal(bytes, json.RootElement[0].GetProperty("bytes_per_element").GetDouble());
        CommandLine.Run("bench", "--rule", "adamw", "--dtype", "f64", "--elements", "4096", option).AssertError(1, "F64");
    }

    [Theory]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("f16")]
    [InlineData("f64")]
    public void Every_rule_is_measured_and_written(string dtype)
    {
        using var scratch = new Scratch();
        string file = scratch.File("bench.json");
        var run = CommandLine.Run(
            "bench",
            "--elements",
            "1048576",
            "--tensors",
            "4",
            "--columns",
            "64",
            "--dtype",
            dtype,
            "--threads",
            "2",
            "--repeat",
            "1",
            "--json",
            file);
        Assert.True(run.Code == 0, run.Errors);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(file));
        JsonElement[] rows = [.. json.RootElement.EnumerateArray()];
        Assert.Equal(
            Catalogue
                .Rules.Where(rule => rule.Needs.Count == 0 && rule.Shape != RuleShape.Matrix)
                .Select(rule => rule.Name),
            rows.Select(row => row.GetProperty("rule").GetString()));
        Assert.All(
            rows,
            row =>
            {
                Assert.Equal("cpu", row.GetProperty("device").GetString());
                Assert.Equal(dtype, row.GetProperty("dtype").GetString());
                Assert.Equal(1048576, row.GetProperty("elements").GetInt64());
                Assert.Equal(4, row.GetProperty("tensors").GetInt32());
                double bytes = row.GetProperty("bytes_per_element").GetDouble(),
                    seconds = row.GetProperty("seconds").GetDouble();
                Assert.InRange(bytes, 6, 200);
                double costLine = row.GetProperty("cost_line").GetDouble();
                if (dtype == "f32")
                {
                    // The tensors are too large to be read once. Rows have 64 elements: their numbers count a little more.
                    Assert.Equal(4 * costLine, bytes, 0.05);
                }
                Assert.Equal(bytes * 1048576 / seconds / 1e9, row.GetProperty("gb_per_s").GetDouble(), 1e-6);
                Assert.InRange(row.GetProperty("fraction").GetDouble(), 1e-6, 1000);
            }
        );
    }

    [Fact]
    public void A_folder_for_the_results_is_refused_before_measuring()
    {
        using var scratch = new Scratch();
        CommandLine.Run("bench", "--json", scratch.Folder).AssertError(2, $"--json {scratch.Folder}: is a folder");
    }

    [Fact]
    public void Median_is_the_middle()
    {
        Assert.Equal(2, Statistics.Median([3, 1, 2]));
        Assert.Equal(2.5, Statistics.Median([4, 1, 2, 3]));
        Assert.Throws<ArgumentException>(() => Statistics.Median([]));
    }

    [Theory]
    [InlineData(1.234, "1.23 s")]
    [InlineData(0.0456, "45.6 ms")]
    [InlineData(0.000000789, "0.79 us")]
    public void Durations_have_a_fitting_unit(double seconds, string text) =>
        Assert.Equal(text, NumberText.Duration(seconds));
}
