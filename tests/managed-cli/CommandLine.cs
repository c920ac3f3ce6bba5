using System.Globalization;
using Spectre.Console;

namespace Optim.Cli.Tests;

/// <summary>Runs a command line in this process and keeps what it prints.</summary>
internal sealed record CommandLine(int Code, string Output, string Errors)
{
    public static CommandLine Run(params string[] args)
    {
        using var output = new StringWriter(CultureInfo.InvariantCulture);
        using var errors = new StringWriter(CultureInfo.InvariantCulture);
        IAnsiConsole console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.No,
                Interactive = InteractionSupport.No,
                Out = new AnsiConsoleOutput(output),
            }
        );
        console.Profile.Width = 250;
        int code = Program.Run(args, console, errors);
        return new CommandLine(code, output.ToString(), errors.ToString());
    }

    /// <summary>One line on standard error, nothing that looks like a stack trace.</summary>
    public void AssertError(int code, string part)
    {
        Assert.Equal(code, Code);
        Assert.Single(Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("optim: ", Errors, StringComparison.Ordinal);
        Assert.Contains(part, Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", Errors, StringComparison.Ordinal);
    }
}
