using System.CommandLine;
using Optim.Cli.Demo;
using Optim.Cli.Output;
using Spectre.Console;

namespace Optim.Cli.Commands;

/// <summary><c>optim demo</c>: trains one small network with every optimizer and compares them.</summary>
internal static class DemoCommand
{
    private const string ChartFile = "loss.svg";

    public static Command Create(IAnsiConsole console)
    {
        var optimizers = SharedOptions.RulesOption(
            "--optimizer",
            "Only these optimizers; all that need gradients only when left out.");
        var epochs = SharedOptions.NumberOption("--epochs", "Passes over the training images.", 30, 1);
        var seed = SharedOptions.NumberOption(
            "--seed",
            "Decides the held-out images, the initial weights and the batches.",
            42,
            0);
        var device = SharedOptions.DeviceOption();
        var json = SharedOptions.JsonOption("Also write the results as JSON.");
        var output = new Option<DirectoryInfo>("--output")
        {
            Description = $"Folder of the chart {ChartFile}.",
            HelpName = "DIR",
            DefaultValueFactory = _ => new DirectoryInfo(Path.Combine("artifacts", "demo")),
        };
        var command = new Command(
            "demo",
            "Trains a network on handwritten digits with every optimizer and compares them.")
        {
            optimizers,
            epochs,
            seed,
            device,
            json,
            output,
        };
        command.SetAction(parsed =>
            Run(
                console,
                parsed.GetRequiredValue(optimizers),
                TrainingPlan.Create(parsed.GetValue(epochs), parsed.GetValue(seed)),
                parsed.GetValue(device),
                parsed.GetValue(json),
                parsed.GetRequiredValue(output)));
        return command;
    }

    private static int Run(
        IAnsiConsole console,
        string[] names,
        TrainingPlan plan,
        Device device,
        FileInfo? json,
        DirectoryInfo output)
    {
        var table = DemoHypers.Load();
        (RuleSchema Rule, IReadOnlyDictionary<string, double> Hypers)[] optimizers =
        [
            .. Selected(names).Select(rule => (rule, table.For(rule, plan.Steps))),
        ];

        // A network this small is stepped fastest by one thread.
        using var host = new Engine(Device.Cpu, threads: 1);
        using var engine = new Engine(device, device.Type == DeviceType.Cpu ? 1 : 0);
        DemoReport.WriteSetting(console, plan, engine);
        DemoReport.WriteHypers(console, optimizers);

        var results = new List<TrainingResult>();
        int width = optimizers.Max(optimizer => optimizer.Rule.Title.Length);
        ProgressDisplay.Run(console, open =>
        {
            foreach (var (rule, hypers) in optimizers)
            {
                IProgressTrack track = open(rule.Title.PadRight(width), plan.Steps);
                results.Add(Trainer.Train(plan, rule, hypers, engine, host, track));
            }
        });

        DemoReport.WriteResults(console, results);
        console.WriteLine($"Loss curves: {WriteChart(output, plan, results)}");
        if (json is not null)
        {
            JsonFile.Write(json, [.. DemoReport.Ranked(results).Select(Row)]);
        }

        return ExitCode.Done;
    }

    private static string WriteChart(DirectoryInfo output, TrainingPlan plan, IEnumerable<TrainingResult> results)
    {
        string file = Path.Combine(output.FullName, ChartFile);
        string subtitle =
            $"{string.Join('-', TrainingPlan.Widths)} network, mean loss of each epoch, "
            + $"{NumberText.Count(plan.Training.Count)} images, batches of {TrainingPlan.Batch}, seed {plan.Seed}";
        output.Create();
        LossChart
            .Draw("Handwritten digits: training loss by optimizer", subtitle, [.. results.Select(Curve)])
            .Save(file);
        return Path.GetRelativePath(Directory.GetCurrentDirectory(), file);
    }

    private static LossCurve Curve(TrainingResult result) => new(Catalogue.Find(result.Optimizer).Title, result.Losses);

    // JSON has no infinite numbers: a diverged loss is null.
    private static object Row(TrainingResult result) => new
    {
        result.Optimizer,
        Loss = double.IsFinite(result.Loss) ? result.Loss : (double?)null,
        result.Accuracy,
        result.SecondsPerStep,
        result.StateBytesPerParameter,
    };

    private static IEnumerable<RuleSchema> Selected(string[] names)
    {
        if (names.Length == 0)
        {
            return Catalogue.Rules.Where(rule => rule.Needs.Count == 0);
        }

        RuleSchema[] rules = [.. names.Distinct().Select(Catalogue.Find)];
        return Array.Find(rules, rule => rule.Needs.Count > 0) is { } needy
            ? throw new Failure($"{needy.Name} needs {string.Join(", ", needy.Needs)}, which the demo does not compute")
            : rules;
    }
}
