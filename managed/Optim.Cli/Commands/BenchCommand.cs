using System.CommandLine;
using System.Globalization;
using Optim.Cli.Bench;
using Optim.Cli.Output;
using Spectre.Console;

namespace Optim.Cli.Commands;

/// <summary><c>optim bench</c>: how much of the memory's bandwidth each rule's step reaches.</summary>
internal static class BenchCommand
{
    private const long DefaultElements = 64 << 20;

    // A tensor's bytes are filled from one array.
    private const long LargestTensor = 2_147_000_000;

    public static Command Create(IAnsiConsole console)
    {
        var rules = SharedOptions.RulesOption(
            "--rule",
            "Only these optimizers; all that sum or work by element when left out.");
        var elements = SharedOptions.NumberOption("--elements", "Parameters in all.", DefaultElements, 1L);
        var tensors = SharedOptions.NumberOption("--tensors", "Equal tensors they are split into.", 1, 1);
        var columns = SharedOptions.NumberOption("--columns", "Columns of the tensors; 0 = vectors.", 0L, 0L);
        var dtype = SharedOptions.DTypeOption(
            "Storage of parameters and gradients; states are f32, or f64 with f64.",
            "f32",
            "bf16",
            "f16",
            "f64");
        var threads = SharedOptions.NumberOption("--threads", "Threads on the CPU; 0 = one a core.", 0, 0);
        var device = SharedOptions.DeviceOption();
        var helpers = SharedOptions.RulesOption(
            "--helpers",
            $"Helpers to switch on: {string.Join(", ", HelperSwitches.Names)}.");
        var masterWeights = new Option<bool>("--master-weights")
        {
            Description = "Step f16 and bf16 parameters through a copy in f32.",
        };
        var stochasticRounding = new Option<bool>("--stochastic-rounding")
        {
            Description = "Round bf16 parameters at random.",
        };
        var repeat = SharedOptions.NumberOption("--repeat", "Measurements, of which the median counts.", 11, 1);
        var json = SharedOptions.JsonOption("Also write the results as JSON.");
        var command = new Command("bench", "Measures the step of each optimizer against the bandwidth of the memory.")
        {
            rules,
            elements,
            tensors,
            columns,
            dtype,
            threads,
            device,
            helpers,
            masterWeights,
            stochasticRounding,
            repeat,
            json,
        };
        command.SetAction(parsed =>
        {
            var settings = new BenchSettings(
                parsed.GetValue(elements),
                parsed.GetValue(tensors),
                parsed.GetValue(columns),
                parsed.GetRequiredValue(dtype),
                HelperSwitches.Parse(parsed.GetRequiredValue(helpers).SelectMany(names => names.Split(','))),
                new OptimizerStorage
                {
                    MasterWeights = parsed.GetValue(masterWeights),
                    StochasticRoundingSeed = parsed.GetValue(stochasticRounding) ? 0UL : null,
                },
                parsed.GetValue(repeat));
            return Run(
                console,
                parsed.GetRequiredValue(rules),
                settings,
                parsed.GetValue(device),
                parsed.GetValue(threads),
                parsed.GetValue(json));
        });
        return command;
    }

    private static int Run(
        IAnsiConsole console,
        string[] names,
        BenchSettings settings,
        Device device,
        int threads,
        FileInfo? json)
    {
        if (settings.Problem is { } problem)
        {
            throw new Failure(problem);
        }

        if (settings.Elements / settings.Tensors * SharedOptions.DTypes[settings.DType].Size() > LargestTensor)
        {
            throw new Failure(
                $"a tensor may have {LargestTensor} bytes here; split {settings.Elements} elements with --tensors");
        }

        bool cpu = device.Type == DeviceType.Cpu;
        RuleSchema[] rules =
        [
            .. names.Length > 0
                ? names.Select(Catalogue.Find)
                : Catalogue.Rules.Where(rule => rule.Needs.Count == 0 && rule.Shape != RuleShape.Matrix),
        ];
        using var engine = new Engine(device, threads);
        using IBandwidth bandwidth = cpu
            ? new CpuBandwidth(engine, threads > 0 ? threads : Environment.ProcessorCount)
            : new DeviceBandwidth(engine);
        console.WriteLine($"Engine: {engine.Description}. Bandwidth: {bandwidth.Description}.");
        console.WriteLine(
            $"{NumberText.Count(settings.Elements)} parameters in {NumberText.Count(settings.Tensors)} tensors of "
                + $"[{string.Join(", ", settings.Shape)}], {settings.DType}; medians of {settings.Repeat}.");

        var results = new List<BenchResult>();
        ProgressDisplay.Run(
            console,
            open =>
            {
                foreach (RuleSchema rule in rules)
                {
                    results.Add(
                        RuleBenchmark.Measure(rule, engine, settings, bandwidth, open(rule.Name, settings.Repeat)));
                }
            }
        );
        WriteTable(console, results);
        if (json is not null)
        {
            JsonFile.Write(json, results);
        }
        return ExitCode.Done;
    }

    private static void WriteTable(IAnsiConsole console, List<BenchResult> results)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumn("Rule");
        foreach (
            string column in new[] { "Cost line", "Bytes/element", "Launches", "Step", "GB/s", "Bandwidth GB/s", "Fraction" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }
        foreach (BenchResult result in results)
        {
            table.AddRow(
                Cells.Of(
                    result.Rule,
                    NumberText.Short(result.CostLine),
                    NumberText.Short(result.BytesPerElement),
                    result.Launches == 0 ? "" : NumberText.Count(result.Launches),
                    NumberText.Duration(result.Seconds),
                    NumberText.Significant(result.GbPerS),
                    NumberText.Significant(result.BandwidthGbPerS),
                    result.Fraction.ToString("0.000", CultureInfo.InvariantCulture)));
        }
        console.Write(table);
    }
}
