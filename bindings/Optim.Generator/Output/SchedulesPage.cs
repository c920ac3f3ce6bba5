using System.Text;
using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>The page of the learning-rate schedules.</summary>
internal static class SchedulesPage
{
    public static string Text(IReadOnlyList<ScheduleSchema> schedules)
    {
        var text = new StringBuilder();
        text.Append("# Learning-rate schedules\n\n").Append(Markdown.Origin);
        text.Append(
            "Pure functions of the step n = 1, 2, ...; s = n - 1 steps are done. `optim schedule NAME` prints values.\n\n"
        );
        text.Append("| Schedule | Name | C# class | What it is |\n|---|---|---|---|\n");
        foreach (var schedule in schedules)
        {
            text.Append(
                $"| {Markdown.Link(schedule.Title, schedule.Url)} | `{schedule.Name}` | `{Names.Class(schedule)}` "
                    + $"| {Markdown.Cell(schedule.Summary)} |\n"
            );
        }

        foreach (var schedule in schedules)
        {
            text.Append(Section(schedule.Title, schedule.Paper, schedule.Hypers));
        }

        return text.ToString();
    }

    private static string Section(string title, string paper, IReadOnlyList<HyperSchema> hypers) =>
        $"\n## {title}\n\n{paper}.\n\n" + Markdown.Table(hypers);
}
