using System.Globalization;
using System.Text;
using Optim.Generator.Text;

namespace Optim.Generator.Output;

/// <summary>The page of the catalogue: a table of all rules, then a section for each.</summary>
internal static class OptimizersPage
{
    private static readonly string[] s_functions = ["rosenbrock", "rastrigin"];

    /// <summary>The text of docs/optimizers.md.</summary>
    /// <param name="rules">The rules of the catalogue.</param>
    /// <param name="pictures">Names of the files in docs/images; a rule shows those that exist.</param>
    public static string Text(IReadOnlyList<RuleSchema> rules, IReadOnlySet<string> pictures)
    {
        var text = new StringBuilder();
        text.Append("# Optimizers\n\n").Append(Markdown.Origin);
        text.Append(
            "**Moved** is what a step reads and writes, **kept** what the states take, in floats for each parameter (4 bytes each "
                + "with f32 storage) with default hyper-parameters and no helpers: of a vector of 256 elements / of a 256 x 256 "
                + "matrix where the two differ. A reduced rule reads once what it sums together and finds on the chip again, such as "
                + "that vector or a row of that matrix, but not all of the matrix. Matrix states count wholly, as if recomputed at "
                + "each step; what happens every k steps counts a k-th. **Reach** is what one element of a gradient has a part in, with "
                + "default hyper-parameters: itself, its row (a slice along the first dimension, or a vector), its tensor, or all. A NaN "
                + "spreads no further ([what else becomes of it](limits.md#values-that-are-not-finite)).\n\n"
        );
        text.Append("| Optimizer | Name | C# class | Shape | Reach | Moved | Kept | Needs | What it is |\n");
        text.Append("|---|---|---|---|---|---|---|---|---|\n");
        foreach (var rule in rules)
        {
            text.Append(
                $"| [{rule.Title}](#{Anchor(rule.Title)}) | `{rule.Name}` | `{Names.Class(rule)}` | {Word(rule.Shape)} | {Word(rule.Reach)} "
                    + $"| {Floats(rule.Cost.Vector, rule.Cost.Matrix)} | {Floats(rule.Cost.VectorState, rule.Cost.MatrixState)} "
                    + $"| {Needs(rule)} | {Markdown.Cell(rule.Summary)} |\n"
            );
        }

        text.Append(
            "\nAll gradient helpers (unscaling, clipping by value and norm, adaptive clipping, centralization, normalization), "
                + "norm loss, Lookahead, SAM and gradient surgery work on any of them; what else a rule takes is said in its "
                + "section. The pictures are drawn by `optim plot` from real steps.\n"
        );
        foreach (var rule in rules)
        {
            AppendSection(text, rule, pictures);
        }

        return text.ToString();
    }

    private static void AppendSection(StringBuilder text, RuleSchema rule, IReadOnlySet<string> pictures)
    {
        text.Append($"\n## {rule.Title}\n\n{rule.Summary}\n\n");
        text.Append($"{Markdown.Link(rule.Paper, rule.Url)}.\n\n");
        string[] shown = [.. s_functions.Select(f => $"{rule.Name}-{f}.svg").Where(pictures.Contains)];
        if (shown.Length > 0)
        {
            text.Append(string.Join(' ', shown.Select(name => $"<img src=\"images/{name}\" width=\"360\" alt=\"{Alt(rule, name)}\">")));
            text.Append("\n\n");
        }

        text.Append($"- C name `{rule.Name}`, C# class `{Names.Class(rule)}` with `{Names.Class(rule)}Options`\n");
        if (rule.Aliases.Count > 0)
        {
            text.Append($"- aliases {string.Join(", ", rule.Aliases.Select(Alias))}\n");
        }

        text.Append($"- needs {Needs(rule)}\n");
        text.Append(
            $"- moves {Floats(rule.Cost.Vector, rule.Cost.Matrix)} floats a parameter and step, keeps "
                + $"{Floats(rule.Cost.VectorState, rule.Cost.MatrixState)}\n"
        );
        text.Append($"- helpers beside those for all: {Helpers(rule)}\n\n");
        if (rule.Slots.Count > 0)
        {
            text.Append("| State | Shape | Starts as | Exists | Meaning |\n|---|---|---|---|---|\n");
            foreach (var slot in rule.Slots)
            {
                text.Append($"| `{slot.Name}` | {Shape(slot)} | {slot.Initial} ");
                text.Append(slot.When.Length > 0 ? $"| with `{slot.When}` " : "| always ");
                text.Append($"| {Markdown.Cell(slot.Doc)} |\n");
            }

            text.Append('\n');
        }

        text.Append(Markdown.Table(rule.Hypers));
    }

    // What stable weight decay and the pull-back ask of a rule (native/core/plan.cpp refuses the others).
    private static string Helpers(RuleSchema rule)
    {
        bool Has(string role) => rule.Slots.Any(slot => slot.Role == role && slot.Shape == SlotShape.Param);
        string[] accepted =
        [
            .. Has("second_moment") && rule.Hypers.Any(hyper => hyper.Name == "beta2") ? ["stable weight decay"] : Array.Empty<string>(),
            .. Has("first_moment") ? ["Lookahead's pull-back of the first moment"] : Array.Empty<string>(),
        ];
        return accepted.Length > 0 ? string.Join(", ", accepted) : "none";
    }

    private static string Alias(RuleAlias alias) =>
        $"`{alias.Name}` ({string.Join(", ", alias.Hypers.Select(hyper => $"`{hyper.Key}` = {Number(hyper.Value)}"))})";

    private static string Needs(RuleSchema rule) =>
        string.Join(", ", rule.Needs.Select(need => $"`{need}`").Prepend("gradients"));

    private static string Shape(SlotSchema slot) =>
        slot.Shape switch
        {
            SlotShape.Param => "as the parameter",
            SlotShape.Row => "one a row",
            SlotShape.Unit => "one a row; as the parameter if that is a vector",
            SlotShape.Matrix => "a square matrix for each dimension (and block)",
            _ => "one number",
        };

    private static string Alt(RuleSchema rule, string picture) =>
        $"{rule.Title} on {picture[(rule.Name.Length + 1)..picture.LastIndexOf('.')]}";

    private static string Floats(double vector, double matrix)
    {
        string ofVector = Number(vector), ofMatrix = Number(matrix);
        return ofVector == ofMatrix ? ofVector : $"{ofVector} / {ofMatrix}";
    }

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    // As GitHub makes them of headings.
    private static string Anchor(string title) => title.ToLowerInvariant().Replace(' ', '-');
}
