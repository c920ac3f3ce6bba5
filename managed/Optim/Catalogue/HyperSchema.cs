using System.Globalization;

namespace Optim;

/// <summary>A hyper-parameter of a rule or a schedule.</summary>
public sealed record HyperSchema
{
    /// <summary>Its name, such as "weight_decay".</summary>
    public required string Name { get; init; }

    /// <summary>Its value when none is given; NaN when one must be given.</summary>
    public required double Default { get; init; }

    /// <summary>Lower bound; may be infinite.</summary>
    public required double Minimum { get; init; }

    /// <summary>Upper bound; may be infinite.</summary>
    public required double Maximum { get; init; }

    /// <summary>The lower bound itself is not allowed.</summary>
    public required bool MinimumOpen { get; init; }

    /// <summary>The upper bound itself is not allowed.</summary>
    public required bool MaximumOpen { get; init; }

    /// <summary>What values it takes.</summary>
    public required HyperKind Kind { get; init; }

    /// <summary>The words it takes, if it takes words.</summary>
    public required IReadOnlyList<string> Words { get; init; }

    /// <summary>It is a list: one value or more, at the end of a row of values.</summary>
    public bool Variadic { get; init; }

    /// <summary>The hyper-parameter whose value 0 stands for in a new optimizer; setting it to 0 later keeps the value it
    /// has. Null: 0 is 0.</summary>
    public string? Like { get; init; }

    /// <summary>What other libraries call it; <see cref="CatalogueEntry.IndexOf"/> takes that too.</summary>
    public IReadOnlyList<string> Spellings { get; init; } = [];

    /// <summary>A line of documentation.</summary>
    public required string Doc { get; init; }

    /// <summary>The documentation, and what else it is called.</summary>
    public string Description => Spellings.Count == 0 ? Doc : $"{Doc} Elsewhere: {string.Join(", ", Spellings)}.";

    /// <summary>A value must be given, since there is no default.</summary>
    public bool Required => double.IsNaN(Default);

    /// <summary>The default as text, or "required".</summary>
    public string DefaultText =>
        Required ? "required"
        : Like is null ? Format(Default)
        : $"0, which stands for {Like} in a new optimizer,";

    /// <summary>The allowed values in words: "[0, 1)", "a whole number &gt;= 1", "true or false", ...</summary>
    public string Allowed =>
        Kind switch
        {
            HyperKind.Boolean => "false (0) or true (1)",
            HyperKind.Word => string.Join(", ", Words.Select((word, i) => $"\"{word}\" ({i})")),
            HyperKind.Whole => "a whole number in " + Interval,
            _ => "a number in " + Interval,
        } + (Variadic ? ", or several" : "");

    private string Interval =>
        (MinimumOpen || double.IsInfinity(Minimum) ? "(" : "[")
        + NumberText(Minimum)
        + ", "
        + NumberText(Maximum)
        + (MaximumOpen || double.IsInfinity(Maximum) ? ")" : "]");

    /// <summary>Whether a value is allowed.</summary>
    public bool Allows(double value) =>
        (MinimumOpen ? value > Minimum : value >= Minimum)
        && (MaximumOpen ? value < Maximum : value <= Maximum)
        && (Kind == HyperKind.Real || value == Math.Floor(value));

    /// <summary>Reads a number, "true" or "false", or one of the words.</summary>
    /// <exception cref="ArgumentException">The text is no allowed value.</exception>
    public double Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var value = Interpret(text);
        return Allows(value)
            ? value
            : throw new ArgumentException($"{Name} = \"{text}\" is not {Allowed}.", nameof(text));
    }

    /// <summary>The text of a value: a number, "true" or "false", or the word.</summary>
    public string Format(double value) =>
        Kind switch
        {
            HyperKind.Boolean when Allows(value) => value != 0 ? "true" : "false",
            HyperKind.Word when Allows(value) => Words[(int)value],
            _ => NumberText(value),
        };

    /// <summary>The shortest text that reads back as the same number, in the spelling of most languages: 1e-8,
    /// inf.</summary>
    private static string NumberText(double value) =>
        double.IsInfinity(value)
            ? (value > 0 ? "inf" : "-inf")
            : value
                .ToString("R", CultureInfo.InvariantCulture)
                .Replace("E-0", "e-", StringComparison.Ordinal)
                .Replace('E', 'e');

    private double Interpret(string text)
    {
        var word = Words.ToList().FindIndex(w => w.Equals(text, StringComparison.OrdinalIgnoreCase));
        if (word >= 0)
        {
            return word;
        }

        if (Kind == HyperKind.Boolean && bool.TryParse(text, out var flag))
        {
            return flag ? 1 : 0;
        }

        if (text is "inf" or "-inf")
        {
            return text == "inf" ? double.PositiveInfinity : double.NegativeInfinity;
        }

        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : double.NaN;
    }
}
