namespace Optim.Generator.Output;

/// <summary>What the pages of the documentation have in common.</summary>
internal static class Markdown
{
    public const string Origin =
        "<!-- Written by bindings/Optim.Generator from the schema of the native library; do not edit. -->\n\n";

    public static string Table(IReadOnlyList<HyperSchema> hypers) =>
        "| Hyper-parameter | Default | Allowed | Meaning |\n|---|---|---|---|\n"
        + string.Concat(
            hypers.Select(hyper =>
                $"| `{hyper.Name}` | {Cell(hyper.DefaultText.TrimEnd(','))} | {Cell(hyper.Allowed)} | {Cell(hyper.Description)} |\n"
            )
        );

    public static string Link(string title, string url) => url.Length > 0 ? $"[{title}]({url})" : title;

    public static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal).Replace('\n', ' ');
}
