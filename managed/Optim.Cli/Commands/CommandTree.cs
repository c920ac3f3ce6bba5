using System.CommandLine;
using System.CommandLine.Help;
using Spectre.Console;

namespace Optim.Cli.Commands;

/// <summary>The tree of commands.</summary>
internal static class CommandTree
{
    // A RootCommand would take its name from the assembly, which is not that of the program.
    public static Command Create(IAnsiConsole console)
    {
        var root = new Command(
            "optim",
            "Deep-learning optimizers, stepped natively: look at them, watch them train, replay and measure them.")
        {
            SharedOptions.Library,
            new HelpOption { Recursive = true },
            new VersionOption(),
        };
        root.Subcommands.Add(ListCommand.Create(console));
        root.Subcommands.Add(InfoCommand.Create(console));
        root.Subcommands.Add(ScheduleCommand.Create(console));
        root.Subcommands.Add(DemoCommand.Create(console));
        root.Subcommands.Add(PlotCommand.Create(console));
        root.Subcommands.Add(ReplayCommand.Create(console));
        root.Subcommands.Add(BenchCommand.Create(console));
        return root;
    }
}
