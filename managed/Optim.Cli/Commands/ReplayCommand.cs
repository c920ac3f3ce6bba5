using System.CommandLine;
using Optim.Cli.Output;
using Optim.Cli.Replay;
using Spectre.Console;

namespace Optim.Cli.Commands;

/// <summary><c>optim replay</c>: runs golden cases and writes what the library computed.</summary>
internal static class ReplayCommand
{
    private const string Extension = ".safetensors";

    public static Command Create(IAnsiConsole console)
    {
        var source = new Argument<string>("CASE")
        {
            Description = $"A golden file (optim-golden-1), or a folder of them (*{Extension}).",
        };
        var target = new Argument<string>("OUT")
        {
            Description = "The safetensors file to write, or the folder when CASE is one.",
        };
        var device = SharedOptions.DeviceOption();
        var dtype = SharedOptions.DTypeOption("Storage of parameters, gradients and states.", "f32", "f64");
        var command = new Command(
            "replay",
            "Runs golden cases and writes the computed tensors under the names of the expected ones.")
        {
            source,
            target,
            device,
            dtype,
        };
        command.SetAction(parsed =>
        {
            using var engine = new Engine(parsed.GetValue(device));
            DType storage = SharedOptions.DTypes[parsed.GetRequiredValue(dtype)];
            return Run(console, parsed.GetRequiredValue(source), parsed.GetRequiredValue(target), engine, storage);
        });
        return command;
    }

    private static int Run(IAnsiConsole console, string source, string target, Engine engine, DType dtype)
    {
        if (source.Length == 0 || target.Length == 0)
        {
            throw new Failure("CASE and OUT must be paths; one of them is empty");
        }

        if (FullPath(source) == FullPath(target))
        {
            throw new Failure($"CASE and OUT are both '{source}': the expected tensors would be overwritten");
        }

        if (Directory.Exists(source))
        {
            return ReplayFolder(console, source, target, engine, dtype);
        }

        if (!File.Exists(source))
        {
            throw new Failure($"there is no file or folder '{source}'");
        }

        if (Directory.Exists(target))
        {
            throw new Failure($"'{source}' is a file, so OUT must be one too; '{target}' is a folder");
        }

        var golden = GoldenCase.Load(source);
        if (GoldenReplay.Obstacle(golden) is { } obstacle)
        {
            throw new Failure($"{golden.Name} cannot be replayed: {obstacle}");
        }

        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(target))!);
        SafeTensors.Save(target, GoldenReplay.Replay(golden, engine, dtype));
        console.WriteLine($"{golden.Name}: {golden.Item} replayed on {engine.Device} in {dtype}");
        return ExitCode.Done;
    }

    private static string FullPath(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    private static int ReplayFolder(IAnsiConsole console, string source, string target, Engine engine, DType dtype)
    {
        string[] files = [.. Directory.EnumerateFiles(source, "*" + Extension).Order(StringComparer.Ordinal)];
        if (files.Length == 0)
        {
            throw new Failure($"the folder '{source}' has no file *{Extension}");
        }

        if (File.Exists(target))
        {
            throw new Failure($"'{source}' is a folder, so OUT must be one too; '{target}' is a file");
        }

        Directory.CreateDirectory(target);
        var summary = new ReplaySummary();
        ProgressDisplay.Run(
            console,
            open =>
            {
                IProgressTrack progress = open("replay", files.Length);
                for (int i = 0; i < files.Length; i++)
                {
                    ReplayFile(files[i], target, engine, dtype, summary);
                    progress.Report(i + 1, $"{i + 1} of {files.Length} cases");
                }
            }
        );
        summary.Write(console);
        return summary.Failed == 0 ? ExitCode.Done : ExitCode.Failure;
    }

    // One case that cannot be read or computed does not keep the others from being replayed.
    private static void ReplayFile(string file, string target, Engine engine, DType dtype, ReplaySummary summary)
    {
        string name = Path.GetFileNameWithoutExtension(file);
        try
        {
            var golden = GoldenCase.Load(file);
            if (GoldenReplay.Obstacle(golden) is { } obstacle)
            {
                summary.Skip(name, obstacle);
                return;
            }

            SafeTensors.Save(Path.Combine(target, name + Extension), GoldenReplay.Replay(golden, engine, dtype));
            summary.Replay(golden.Item);
        }
        catch (Exception exception)
        {
            summary.Fail(name, ErrorText.Of(exception));
        }
    }
}
