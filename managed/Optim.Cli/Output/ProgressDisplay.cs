using Spectre.Console;

namespace Optim.Cli.Output;

/// <summary>Progress of one piece of work.</summary>
internal interface IProgressTrack
{
    /// <summary>Tells how much is done, with a word on how it goes.</summary>
    void Report(double done, string note);
}

/// <summary>Opens a track for a piece of work of a given size.</summary>
internal delegate IProgressTrack OpenTrack(string name, double total);

/// <summary>Live bars on a terminal, a few plain lines elsewhere.</summary>
internal static class ProgressDisplay
{
    public static void Run(IAnsiConsole console, Action<OpenTrack> work)
    {
        if (!console.Profile.Capabilities.Interactive)
        {
            work((name, total) => new PlainTrack(console, name, total));
            return;
        }

        console
            .Progress()
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn(),
                new PercentageColumn(),
                new ElapsedTimeColumn())
            .Start(context => work((name, total) => new LiveTrack(context, name, total)));
    }

    private sealed class LiveTrack(ProgressContext context, string name, double total) : IProgressTrack
    {
        private readonly ProgressTask _task = context.AddTask(Markup.Escape(name), maxValue: total);

        public void Report(double done, string note)
        {
            _task.Value = done;
            _task.Description = $"{Markup.Escape(name)} [grey]{Markup.Escape(note)}[/]";
        }
    }

    private sealed class PlainTrack(IAnsiConsole console, string name, double total) : IProgressTrack
    {
        private const int Lines = 3;

        private int _line;

        public void Report(double done, string note)
        {
            int line = (int)(done / total * Lines);
            if (line > _line)
            {
                _line = line;
                console.WriteLine($"{name}: {note}");
            }
        }
    }
}
