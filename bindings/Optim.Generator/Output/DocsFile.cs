using System.Text;
using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>The table of optimizers in the documentation.</summary>
internal static class DocsFile
{
    public static string Text(IReadOnlyList<RuleSchema> rules)
    {
        var text = new StringBuilder();
        text.Append("# Optimizers\n\n");
        text.Append(
            "<!-- Written by bindings/Optim.Generator from the schema of the native library; do not edit. -->\n\n"
        );
        text.Append("| Optimizer | Name | C# class | Shape | States | What it is |\n");
        text.Append("|---|---|---|---|---|---|\n");
        foreach (var rule in rules)
        {
            text.Append(
                $"| {Link(rule)} | `{rule.Name}` | `{Names.Class(rule)}` | {rule.Shape.ToString().ToLowerInvariant()} "
            );
            text.Append($"| {States(rule)} | {Cell(rule.Summary)} |\n");
        }

        foreach (var rule in rules)
        {
            text.Append(
                $"\n## {rule.Title}\n\n{rule.Paper}.\n\n"
                    + "| Hyper-parameter | Default | Allowed | Meaning |\n|---|---|---|---|\n"
            );
            foreach (var hyper in rule.Hypers)
            {
                text.Append(
                    $"| `{hyper.Name}` | {Default(hyper)} "
                        + $"| {Cell(hyper.Allowed)} | {Cell(hyper.Doc)} |\n"
                );
            }
        }

        return text.ToString();
    }

    private static string Default(HyperSchema hyper) =>
        hyper.Like is null ? Cell(hyper.Format(hyper.Default)) : $"0: `{hyper.Like}` in a new optimizer";

    private static string Link(RuleSchema rule) => rule.Url.Length > 0 ? $"[{rule.Title}]({rule.Url})" : rule.Title;

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
