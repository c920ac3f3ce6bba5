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
        using var engine = new Engine();
        var table = new Table().Border(TableBorder.Rounded);
        table.AddColumns("Name", "Optimizer", "Shape");
        table.AddColumn(new TableColumn("State B/param").RightAligned());
        table.AddColumn(new TableColumn("Step B/param").RightAligned());
        table.AddColumns("Needs", "Paper");
        foreach (RuleSchema rule in Catalogue.Rules)
        {
            RuleCost? cost = RuleCost.Of(engine, rule);
            table.AddRow(
                Cells.Of(
                    rule.Name,
                    rule.Title,
                    Cells.Word(rule.Shape),
                    cost is null ? "-" : NumberText.Short(cost.StateBytes),
                    cost is null ? "-" : NumberText.Short(cost.StepBytes),
                    string.Join(", ", rule.Needs),
                    rule.Url));
        }
        console.Write(table);
        console.WriteLine(
            $"{Catalogue.Rules.Count} rules, library {Catalogue.LibraryVersion}; 'optim info NAME' tells more. "
                + "Bytes: float32, one 256 x 256 tensor, default hyper-parameters.");
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
