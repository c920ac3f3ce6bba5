using System.CommandLine;
using System.Globalization;
using Optim.Cli.Output;
using Spectre.Console;

namespace Optim.Cli.Commands;

/// <summary><c>optim schedule NAME</c>: the values of a learning-rate schedule as CSV.</summary>
internal static class ScheduleCommand
{
    private const long DefaultSteps = 100;

    public static Command Create(IAnsiConsole console)
    {
        var name = new Argument<string>("NAME") { Description = "Name of a schedule, as 'optim list' prints it." };
        var values = new Option<string[]>("--set")
        {
            Description = "A hyper-parameter, as 'optim info NAME' prints them; a list as KEY=V1,V2,...",
            HelpName = "KEY=VALUE",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [],
        };
        var from = SharedOptions.NumberOption("--from", "The first step.", 1L, 1L);
        var steps = SharedOptions.NumberOption("--steps", "Number of steps.", DefaultSteps, 1L);
        var command = new Command("schedule", "Prints the values of a learning-rate schedule as lines STEP,VALUE.")
        {
            name,
            values,
            from,
            steps,
        };
        command.SetAction(parsed =>
        {
            ScheduleSchema schema = Catalogue.FindSchedule(parsed.GetRequiredValue(name));
            var schedule = LearningRateSchedule.Create(
                schema.Name,
                parsed.GetRequiredValue(values).SelectMany(text => Parse(schema, text)));
            return Run(console, schedule, parsed.GetValue(from), parsed.GetValue(steps));
        });
        return command;
    }

    private static IEnumerable<KeyValuePair<string, double>> Parse(ScheduleSchema schema, string text)
    {
        string[] parts = text.Split('=', 2);
        if (parts.Length < 2)
        {
            throw new Failure($"--set {text}: expected KEY=VALUE");
        }

        HyperSchema hyper = schema.Hypers[schema.IndexOf(parts[0])];
        return (hyper.Variadic ? parts[1].Split(',') : [parts[1]]).Select(value =>
            KeyValuePair.Create(hyper.Name, hyper.Parse(value)));
    }

    private static int Run(IAnsiConsole console, LearningRateSchedule schedule, long from, long steps)
    {
        // Not through the console, which would break lines to its width.
        TextWriter output = console.Profile.Out.Writer;
        output.WriteLine("step,value");
        for (long i = 0; i < steps; i++)
        {
            long step = checked(from + i);
            output.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"{step},{schedule.ValueAt(step):R}"));
        }

        return ExitCode.Done;
    }
}
