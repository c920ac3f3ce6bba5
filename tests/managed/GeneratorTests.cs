using System.Diagnostics;
using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>The generated files that are checked in are what the generator writes now.</summary>
public sealed class GeneratorTests
{
    private const string OneFile = "managed/Optim/Generated/Interop/NativeMethods.g.cs";

    [Fact]
    public void Checked_in_files_are_fresh()
    {
        var (exitCode, output) = Generate("--check");
        Assert.True(exitCode == 0, $"Run the generator (build target 'generate'):\n{output}");
    }

    [Fact]
    public void Output_is_complete_and_the_same_every_time()
    {
        using var scratch = new Scratch();
        Assert.Equal(0, Generate("--output", scratch.Folder).ExitCode);
        foreach (var path in Directory.EnumerateFiles(scratch.Folder, "*", SearchOption.AllDirectories))
        {
            var checkedIn = Path.Combine(Checkout.Root, Path.GetRelativePath(scratch.Folder, path));
            Assert.Equal(File.ReadAllText(checkedIn), File.ReadAllText(path));
        }

        Assert.Equal("", Generate("--output", scratch.Folder).Output); // nothing left to write
        Assert.Equal(0, Generate("--check", "--output", scratch.Folder).ExitCode);
    }

    [Fact]
    public void Stale_missing_and_left_over_files_are_named()
    {
        using var scratch = new Scratch();
        Generate("--output", scratch.Folder);
        File.AppendAllText(scratch.File(OneFile), "// edited by hand");
        File.Delete(scratch.File("docs/optimizers.md"));
        File.WriteAllText(scratch.File("managed/Optim/Generated/Rules/Forgotten.g.cs"), "");
        var (exitCode, output) = Generate("--check", "--output", scratch.Folder);
        Assert.Equal(1, exitCode);
        Assert.Equal(
            ["stale: docs/optimizers.md", $"stale: {OneFile}", "stale: managed/Optim/Generated/Rules/Forgotten.g.cs"],
            output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        );

        Generate("--output", scratch.Folder);
        Assert.False(File.Exists(scratch.File("managed/Optim/Generated/Rules/Forgotten.g.cs")));
        Assert.Equal(0, Generate("--check", "--output", scratch.Folder).ExitCode);
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        var (exitCode, output) = Run(["--check", "--library", "/no/such/liboptim.so"], path: null);
        Assert.Equal(2, exitCode);
        Assert.Contains("/no/such/liboptim.so", output, StringComparison.Ordinal);

        (exitCode, output) = Run(["--check", "--library", OptimLibrary.Path!], path: "/nowhere");
        Assert.Equal(2, exitCode);
        Assert.Contains("clang is needed", output, StringComparison.Ordinal);
    }

    private static (int ExitCode, string Output) Generate(params string[] arguments)
    {
        Assert.NotEmpty(Catalogue.LibraryVersion); // loads the library, so that its path is known
        return Run([.. arguments, "--library", OptimLibrary.Path!], path: null);
    }

    private static (int ExitCode, string Output) Run(string[] arguments, string? path)
    {
        var program = Path.Combine(
            Checkout.Root,
            "bindings",
            "Optim.Generator",
            "bin",
            Checkout.Configuration,
            "net10.0",
            "Optim.Generator.dll"
        );
        var start = new ProcessStartInfo(Environment.ProcessPath!, [program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Checkout.Root,
        };
        if (path is not null)
        {
            start.Environment["PATH"] = path;
        }

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}
