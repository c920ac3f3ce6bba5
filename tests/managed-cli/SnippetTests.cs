namespace Optim.Cli.Tests;

/// <summary>Every command in the documentation of the command line runs.</summary>
[Collection(nameof(WorkingDirectory))]
public sealed class SnippetTests
{
    private const string Prompt = "optim ";

    public static TheoryData<string> Commands() =>
        [
            .. File.ReadLines(Path.Combine(GoldenTests.Root(), "docs", "getting-started", "command-line.md"))
                .Where(line => line.StartsWith(Prompt, StringComparison.Ordinal))
                .Select(line => line[Prompt.Length..].Split('#')[0].Trim()),
        ];

    [Theory]
    [MemberData(nameof(Commands))]
    public void It_runs(string command)
    {
        var before = Environment.CurrentDirectory;
        using var scratch = new Scratch();
        try
        {
            Environment.CurrentDirectory = scratch.Folder;
            var run = CommandLine.Run(command.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            Assert.True(run.Code == 0, run.Errors);
            Assert.NotEmpty(run.Output);
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }

    /// <summary>Commands write files where they run, which is the same for all of a process: no test runs beside them.</summary>
    [CollectionDefinition(nameof(WorkingDirectory), DisableParallelization = true)]
    public sealed class WorkingDirectory;
}
