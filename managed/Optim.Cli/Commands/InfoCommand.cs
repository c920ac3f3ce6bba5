using System.CommandLine;
using Optim.Cli.Output;
using Spectre.Console;

namespace Optim.Cli.Commands;

/// <summary><c>optim info NAME</c>: all that the schema says about one rule or schedule.</summary>
internal static class InfoCommand
{
    public static Command Create(IAnsiConsole console)
    {
        var name = new Argument<string>("NAME") { Description = "Name of an optimizer or schedule, as 'optim list' prints it." };
        var command = new Command("info", "Tells all about one optimizer or schedule: hyper-parameters, states, paper, cost.")
        {
            name,
        };
        command.SetAction(parsed =>
        {
            string wanted = parsed.GetRequiredValue(name);
            return !Catalogue.TryFind(wanted, out _) && Catalogue.TryFindSchedule(wanted, out ScheduleSchema? schedule)
                ? Run(console, schedule)
                : Run(console, Catalogue.Find(wanted));
        });
        return command;
    }

    private static int Run(IAnsiConsole console, ScheduleSchema schedule)
    {
        console.MarkupLineInterpolated($"[bold]{schedule.Title}[/] ({schedule.Name}), learning-rate schedule");
        console.WriteLine(schedule.Summary);
        WriteField(console, "Paper", schedule.Paper);
        WriteField(console, "Link", schedule.Url);
        WriteHypers(console, schedule.Hypers);
        return ExitCode.Done;
    }

    private static int Run(IAnsiConsole console, RuleSchema rule)
    {
        console.MarkupLineInterpolated($"[bold]{rule.Title}[/] ({rule.Name}), {Cells.Word(rule.Shape)}");
        console.WriteLine(rule.Summary);
        WriteField(console, "Paper", rule.Paper);
        WriteField(console, "Link", rule.Url);
        WriteField(
            console,
            "Needs",
            rule.Needs.Count == 0 ? "gradients only" : "gradients and " + string.Join(", ", rule.Needs));
        WriteField(console, "Moves", Floats(rule.Cost.Vector, rule.Cost.Matrix) + " read and written a step");
        WriteField(console, "Keeps", Floats(rule.Cost.VectorState, rule.Cost.MatrixState) + " of state");

        WriteHypers(console, rule.Hypers);
        var slots = new Table()
            .Border(TableBorder.Rounded)
            .AddColumns("State", "Shape", "Starts as", "Exists", "Meaning");
        foreach (SlotSchema slot in rule.Slots)
        {
            slots.AddRow(
                Cells.Of(
                    slot.Name,
                    Cells.Word(slot.Shape),
                    slot.Initial,
                    slot.When.Length == 0 ? "always" : "with " + slot.When,
                    slot.Doc));
        }
        if (rule.Slots.Count > 0)
        {
            console.Write(slots);
        }

        WriteField(console, "Helpers", "all can be switched on: " + string.Join(", ", HelperSwitches.Names));
        WriteField(console, "16 bits", "parameters may keep master weights in f32, or in bf16 be rounded at random");
        return ExitCode.Done;
    }

    // Of the two tensors of the schema's cost line, unless they cost the same.
    private static string Floats(double vector, double matrix)
    {
        string ofVector = NumberText.Short(vector), ofMatrix = NumberText.Short(matrix);
        return ofVector == ofMatrix
            ? $"{ofVector} floats a parameter (defaults)"
            : $"{ofVector} floats a parameter of a vector of 256, {ofMatrix} of a 256 x 256 matrix (defaults)";
    }

    private static void WriteHypers(IAnsiConsole console, IReadOnlyList<HyperSchema> hypers)
    {
        var table = new Table()
            .Border(TableBorder.Rounded)
            .AddColumns("Hyper-parameter", "Default", "Allowed", "Meaning");
        foreach (HyperSchema hyper in hypers)
        {
            table.AddRow(Cells.Of(hyper.Name, hyper.DefaultText, hyper.Allowed, hyper.Doc));
        }
        console.Write(table);
    }

    private static void WriteField(IAnsiConsole console, string name, string text)
    {
        if (text.Length > 0)
        {
            console.MarkupLineInterpolated($"[grey]{name, -7}[/] {text}");
        }
    }
}
