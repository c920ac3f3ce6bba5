using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Optim.Cli.Output;
using Optim.Cli.Plot;
using Spectre.Console;

namespace Optim.Cli.Commands;

/// <summary><c>optim plot</c>: draws the path of every optimizer on two test functions.</summary>
internal static class PlotCommand
{
    public static Command Create(IAnsiConsole console)
    {
        var optimizers = SharedOptions.RulesOption(
            "--optimizer",
            "Only these optimizers; all when left out.");
        var output = new Option<DirectoryInfo>("--output")
        {
            Description = "Folder of the pictures, NAME-FUNCTION.svg.",
            HelpName = "DIR",
            DefaultValueFactory = _ => new DirectoryInfo(Path.Combine("docs", "images")),
        };
        var command = new Command(
            "plot",
            $"Draws the paths of optimizers on the functions {string.Join(" and ", TestFunction.All.Select(f => f.Title))}: "
                + $"{Descent.Steps} steps with defaults and the learning rate of a grid that ends lowest.")
        {
            optimizers,
            output,
        };
        command.SetAction(parsed =>
            Run(console, parsed.GetRequiredValue(optimizers), parsed.GetRequiredValue(output)));
        return command;
    }

    private static int Run(IAnsiConsole console, string[] names, DirectoryInfo output)
    {
        RuleSchema[] rules = [.. Selected(names)];
        output.Create();
        using var engine = new Engine(Device.Cpu, threads: 1);
        var table = new Table().Border(TableBorder.Rounded).AddColumns("Optimizer", "Function");
        foreach (string column in new[] { "Learning rate", "Distance to the minimum", "Value" })
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        ProgressDisplay.Run(
            console,
            open =>
            {
                IProgressTrack progress = open("plot", rules.Length);
                for (int i = 0; i < rules.Length; i++)
                {
                    Draw(rules[i], engine, output, table);
                    progress.Report(i + 1, $"{i + 1} of {rules.Length} optimizers");
                }
            }
        );
        console.Write(table);
        console.WriteLine($"Pictures: {Path.GetRelativePath(Directory.GetCurrentDirectory(), output.FullName)}");
        return ExitCode.Done;
    }

    private static void Draw(RuleSchema rule, Engine engine, DirectoryInfo output, Table table)
    {
        foreach (TestFunction function in TestFunction.All)
        {
            Descent descent = Descent.Best(engine, rule, function);
            Point end = descent.Points[^1];
            Save(
                PathPicture.Draw(rule.Title, function, descent),
                Path.Combine(output.FullName, $"{rule.Name}-{function.Name}.svg"));
            table.AddRow(
                Cells.Of(
                    rule.Title,
                    function.Title,
                    descent.LearningRate.ToString("0.#####", CultureInfo.InvariantCulture),
                    NumberText.Significant(end.DistanceTo(function.Minimum)),
                    NumberText.Significant(function.Value(end))));
        }
    }

    // The same bytes everywhere: no byte-order mark, no indentation, one line feed at the end.
    private static void Save(XDocument picture, string file)
    {
        var settings = new XmlWriterSettings { Encoding = new UTF8Encoding(false), OmitXmlDeclaration = true };
        using var stream = File.Create(file);
        using (var writer = XmlWriter.Create(stream, settings))
        {
            picture.Save(writer);
        }

        stream.WriteByte((byte)'\n');
    }

    private static IEnumerable<RuleSchema> Selected(string[] names)
    {
        if (names.Length == 0)
        {
            return Catalogue.Rules.Where(Descent.Supports);
        }

        RuleSchema[] rules = [.. names.Distinct().Select(Catalogue.Find)];
        return Array.Find(rules, rule => !Descent.Supports(rule)) is { } other
            ? throw new Failure($"{other.Name} needs {string.Join(", ", other.Needs)}, which cannot be handed in here")
            : rules;
    }
}
