namespace Optim.Cli.Demo;

/// <summary>Colours and fonts of charts, for light and for dark pages.</summary>
internal static class ChartStyle
{
    public const string Font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif";

    // Hues far apart first; each dark enough for white paper, with a lighter twin for dark pages.
    private static readonly (string Light, string Dark)[] Colours =
    [
        ("#2563eb", "#60a5fa"), ("#dc2626", "#f87171"), ("#15803d", "#4ade80"), ("#c2570c", "#fb923c"),
        ("#7c3aed", "#a78bfa"), ("#0e7490", "#22d3ee"), ("#be185d", "#f472b6"), ("#4d7c0f", "#bef264"),
        ("#78350f", "#d6a77a"), ("#475569", "#cbd5e1"),
    ];

    private static readonly string[] Dashes = ["none", "8 4", "2 4", "10 3 2 3"];

    /// <summary>The style sheet of a chart.</summary>
    public static string Sheet { get; } =
        ".heading{font-size:20px;font-weight:600}.soft{font-size:14px}.name{font-size:14px}"
        + ".tick{font-size:13px;font-variant-numeric:tabular-nums}.grid,.minor,.axis{stroke-width:1}"
        + ".curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
        + Theme("#ffffff", "#111827", "#4b5563", "#d1d5db", "#eef0f3", Colours.Select(colour => colour.Light))
        + "@media(prefers-color-scheme:dark){"
        + Theme("#0f172a", "#f1f5f9", "#a8b3c4", "#334155", "#1c2740", Colours.Select(colour => colour.Dark)) + "}";

    /// <summary>The class that gives the curve of an index its colour.</summary>
    public static string Colour(int index) => $"c{index % Colours.Length}";

    /// <summary>Curves that share a colour differ in their dashes.</summary>
    public static string Dash(int index) => Dashes[index / Colours.Length % Dashes.Length];

    private static string Theme(
        string page, string ink, string soft, string grid, string minor, IEnumerable<string> colours) =>
        $".page{{fill:{page}}}.heading,.name{{fill:{ink}}}.soft,.tick{{fill:{soft}}}"
        + $".axis{{stroke:{soft}}}.grid{{stroke:{grid}}}.minor{{stroke:{minor}}}"
        + string.Concat(colours.Select((colour, i) => $".c{i}{{stroke:{colour}}}"));
}
