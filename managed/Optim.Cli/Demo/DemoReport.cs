using System.Globalization;
using Optim.Cli.Output;
using Spectre.Console;

namespace Optim.Cli.Demo;

/// <summary>What the demo prints before and after the training.</summary>
internal static class DemoReport
{
    public static void WriteSetting(IAnsiConsole console, TrainingPlan plan, Engine engine)
    {
        string network = string.Join('-', TrainingPlan.Widths);
        console.WriteLine(
            $"Network {network} on {NumberText.Count(plan.Training.Count)} digits ({plan.Test.Count} held out): "
            + $"{plan.Epochs} epochs of {plan.BatchesPerEpoch} batches of {TrainingPlan.Batch}, seed {plan.Seed}.");
        console.WriteLine(
            $"Engine: {engine.Description}. Learning rates rise for {plan.WarmupSteps} steps, then fall as a cosine.");
    }

    public static void WriteHypers(
        IAnsiConsole console,
        IEnumerable<(RuleSchema Rule, IReadOnlyDictionary<string, double> Hypers)> optimizers)
    {
        var table = new Table()
            .Border(TableBorder.Rounded)
            .AddColumns("Optimizer", "Hyper-parameters (the others: defaults of 'optim info')");
        foreach ((RuleSchema rule, IReadOnlyDictionary<string, double> hypers) in optimizers)
        {
            table.AddRow(
                Cells.Of(
                    rule.Title,
                    hypers.Count == 0
                        ? "defaults"
                        : string.Join(
                            ", ",
                            hypers.Select(hyper =>
                                $"{hyper.Key} {rule.Hypers[rule.IndexOf(hyper.Key)].Format(hyper.Value)}"))));
        }
        console.Write(table);
    }

    /// <summary>The results, best accuracy first.</summary>
    public static void WriteResults(IAnsiConsole console, IEnumerable<TrainingResult> results)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn("Optimizer");
        foreach (string column in new[] { "Test accuracy", "Final loss", "Time per step", "State bytes per parameter" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }
        foreach (TrainingResult result in Ranked(results))
        {
            table.AddRow(
                Cells.Of(
                    Catalogue.Find(result.Optimizer).Title,
                    (100 * result.Accuracy).ToString("0.00", CultureInfo.InvariantCulture) + " %",
                    result.Loss.ToString("0.0000", CultureInfo.InvariantCulture),
                    NumberText.Duration(result.SecondsPerStep),
                    NumberText.Short(result.StateBytesPerParameter)));
        }
        console.Write(table);
        console.WriteLine("Final loss: mean of the last epoch's batches. Time per step: the optimizer's step alone.");
    }

    public static IEnumerable<TrainingResult> Ranked(IEnumerable<TrainingResult> results) =>
        results
            .OrderByDescending(result => result.Accuracy)
            .ThenBy(result => double.IsNaN(result.Loss) ? double.MaxValue : result.Loss);
}
