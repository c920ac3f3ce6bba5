using System.Text;
using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>The tables of optimizers and of schedules in the documentation.</summary>
internal static class DocsFile
{
    private const string Origin =
        "<!-- Written by bindings/Optim.Generator from the schema of the native library; do not edit. -->\n\n";

    public static string Text(IReadOnlyList<RuleSchema> rules)
    {
        var text = new StringBuilder();
        text.Append("# Optimizers\n\n").Append(Origin);
        text.Append("| Optimizer | Name | C# class | Shape | States | What it is |\n");
        text.Append("|---|---|---|---|---|---|\n");
        foreach (var rule in rules)
        {
            text.Append(
                $"| {Link(rule.Title, rule.Url)} | `{rule.Name}` | `{Names.Class(rule)}` | {rule.Shape.ToString().ToLowerInvariant()} "
            );
            text.Append($"| {States(rule)} | {Cell(rule.Summary)} |\n");
        }

        foreach (var rule in rules)
        {
            text.Append(Section(rule.Title, rule.Paper, rule.Hypers));
        }

        return text.ToString();
    }

    public static string Text(IReadOnlyList<ScheduleSchema> schedules)
    {
        var text = new StringBuilder();
        text.Append("# Learning-rate schedules\n\n").Append(Origin);
        text.Append(
            "Pure functions of the step n = 1, 2, ...; s = n - 1 steps are done. `optim schedule NAME` prints values.\n\n"
        );
        text.Append("| Schedule | Name | C# class | What it is |\n|---|---|---|---|\n");
        foreach (var schedule in schedules)
        {
            text.Append(
                $"| {Link(schedule.Title, schedule.Url)} | `{schedule.Name}` | `{Names.Class(schedule)}` "
                    + $"| {Cell(schedule.Summary)} |\n"
            );
        }

        foreach (var schedule in schedules)
        {
            text.Append(Section(schedule.Title, schedule.Paper, schedule.Hypers));
        }

        return text.ToString();
    }

    private static string Section(string title, string paper, IReadOnlyList<HyperSchema> hypers) =>
        $"\n## {title}\n\n{paper}.\n\n| Hyper-parameter | Default | Allowed | Meaning |\n|---|---|---|---|\n"
        + string.Concat(
            hypers.Select(hyper =>
                $"| `{hyper.Name}` | {Cell(hyper.DefaultText)} | {Cell(hyper.Allowed)} | {Cell(hyper.Doc)} |\n"
            )
        );

    private static string Link(string title, string url) => url.Length > 0 ? $"[{title}]({url})" : title;

    private static string States(RuleSchema rule) =>
        rule.Slots.Count == 0
            ? "none"
            : string.Join(
                ", ",
                rule.Slots.Select(slot =>
                    $"`{slot.Name}`"
                    + (slot.Shape == SlotShape.Param ? "" : $" per {slot.Shape.ToString().ToLowerInvariant()}")
                    + (slot.When.Length > 0 ? $" (with `{slot.When}`)" : "")
                )
            );

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal).Replace('\n', ' ');
}
