using System.CommandLine;
using Optim.Cli.Output;
using Spectre.Console;

namespace Optim.Cli.Commands;

/// <summary><c>optim list</c>: a table of all rules and one of all schedules.</summary>
internal static class ListCommand
{
    public static Command Create(IAnsiConsole console)
    {
        var command = new Command("list", "Lists the optimizers and learning-rate schedules of the library.");
        command.SetAction(_ => Run(console));
        return command;
    }

    private static int Run(IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.Rounded);
        table.AddColumns("Name", "Optimizer", "Shape");
        table.AddColumn(new TableColumn("State floats").RightAligned());
        table.AddColumn(new TableColumn("Step floats").RightAligned());
        table.AddColumns("Needs", "Paper");
        foreach (RuleSchema rule in Catalogue.Rules)
        {
            table.AddRow(
                Cells.Of(
                    rule.Name,
                    rule.Title,
                    Cells.Word(rule.Shape),
                    NumberText.Short(rule.Cost.MatrixState),
                    NumberText.Short(rule.Cost.Matrix),
                    string.Join(", ", rule.Needs),
                    rule.Url));
        }
        console.Write(table);
        console.WriteLine(
            $"{Catalogue.Rules.Count} rules, library {Catalogue.LibraryVersion}; 'optim info NAME' tells more. "
                + "Floats a parameter: of a 256 x 256 tensor with default hyper-parameters.");
        WriteSchedules(console);
        return ExitCode.Done;
    }

    private static void WriteSchedules(IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumns("Name", "Schedule", "Paper");
        foreach (ScheduleSchema schedule in Catalogue.Schedules)
        {
            table.AddRow(Cells.Of(schedule.Name, schedule.Title, schedule.Url));
        }
        console.Write(table);
        console.WriteLine($"{Catalogue.Schedules.Count} schedules; 'optim schedule NAME' prints the values of one.");
    }
}
