using System.CommandLine;
using Optim.Cli.Commands;
using Optim.Cli.Output;
using Spectre.Console;

namespace Optim.Cli;

/// <summary>The command <c>optim</c>: 0 = done, 1 = it failed, 2 = wrong usage; errors are one line on standard
/// error.</summary>
internal static class Program
{
    // For an output that is no terminal, Spectre.Console would keep colours and break tables at 80 columns.
    private const int RedirectedWidth = 200;

    public static int Main(string[] args)
    {
        IAnsiConsole console = AnsiConsole.Console;
        if (Console.IsOutputRedirected)
        {
            console = AnsiConsole.Create(
                new AnsiConsoleSettings
                {
                    Ansi = AnsiSupport.No,
                    Interactive = InteractionSupport.No,
                    Out = new AnsiConsoleOutput(Console.Out),
                });
            console.Profile.Width = RedirectedWidth;
        }

        return Run(args, console, Console.Error);
    }

    public static int Run(string[] args, IAnsiConsole console, TextWriter errors)
    {
        try
        {
            Command root = CommandTree.Create(console);
            if (args.Length == 0)
            {
                root.Parse(["--help"]).Invoke();
                return ExitCode.Usage;
            }

            ParseResult parsed = root.Parse(args);
            if (parsed.Errors.Count > 0)
            {
                // The last error is the most exact: before an unknown word comes that a command is missing.
                errors.WriteLine($"optim: {parsed.Errors[^1].Message} (see 'optim --help')");
                return ExitCode.Usage;
            }

            SharedOptions.UseLibrary(parsed);
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (Exception exception)
        {
            errors.WriteLine($"optim: {ErrorText.Of(exception)}");
            return ExitCode.Failure;
        }
    }
}
