using System.Text.Json;
using System.Xml.Linq;
using Optim.Cli.Demo;

namespace Optim.Cli.Tests;

public sealed class DemoTests
{
    [Fact]
    public void Every_optimizer_learns_in_a_few_epochs_and_the_files_are_written()
    {
        using var scratch = new Scratch();
        var run = CommandLine.Run(
            "demo",
            "--epochs",
            "3",
            "--json",
            scratch.File("demo.json"),
            "--output",
            scratch.File("chart"));
        Assert.True(run.Code == 0, run.Errors);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(scratch.File("demo.json")));
        JsonElement[] rows = [.. json.RootElement.EnumerateArray()];
        RuleSchema[] rules = [.. Catalogue.Rules.Where(rule => rule.Needs.Count == 0)];
        Assert.Equal(
            rules.Select(rule => rule.Name),
            rows.Select(row => row.GetProperty("optimizer").GetString()!).Order(StringComparer.Ordinal));
        Assert.All(
            rows,
            row =>
            {
                Assert.InRange(row.GetProperty("loss").GetDouble(), 0, 1);
                Assert.InRange(row.GetProperty("accuracy").GetDouble(), 0.8, 1);
                Assert.InRange(row.GetProperty("seconds_per_step").GetDouble(), 1e-9, 1);
                Assert.InRange(row.GetProperty("state_bytes_per_parameter").GetDouble(), 0, 10_000);
            }
        );
        Assert.All(rules, rule => Assert.Contains(rule.Title, run.Output, StringComparison.Ordinal));
        Assert.Equal("svg", XDocument.Load(Path.Combine(scratch.File("chart"), "loss.svg")).Root!.Name.LocalName);
    }

    /// <summary>The promise of the demo, with its default settings.</summary>
    [Fact]
    public void Adamw_reaches_97_percent_of_held_out_digits()
    {
        using var scratch = new Scratch();
        var run = CommandLine.Run(
            "demo",
            "--optimizer",
            "adamw",
            "--json",
            scratch.File("demo.json"),
            "--output",
            scratch.Folder);
        Assert.True(run.Code == 0, run.Errors);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(scratch.File("demo.json")));
        Assert.InRange(json.RootElement[0].GetProperty("accuracy").GetDouble(), 0.97, 1);
    }

    [Fact]
    public void Training_depends_on_the_seed_alone()
    {
        double[] Losses(int seed)
        {
            using var engine = new Engine();
            var plan = TrainingPlan.Create(epochs: 1, seed);
            RuleSchema rule = Catalogue.Rules.First(rule => rule.Needs.Count == 0);
            return [.. Trainer.Train(plan, rule, DemoHypers.Load().For(rule, plan.Steps), engine, engine, new Silent()).Losses];
        }

        Assert.Equal(Losses(1), Losses(1));
        Assert.NotEqual(Losses(1), Losses(2));
    }

    [Fact]
    public void The_table_of_hyper_parameters_fits_the_schemas()
    {
        var table = DemoHypers.Load();
        Assert.NotEmpty(table.Rules);
        Assert.All(
            Catalogue.Rules,
            rule =>
                Assert.All(
                    table.For(rule, steps: 100),
                    hyper => Assert.True(rule.Hypers[rule.IndexOf(hyper.Key)].Allows(hyper.Value))));
    }

    private sealed class Silent : Output.IProgressTrack
    {
        public void Report(double done, string note) { }
    }
}
