namespace Optim;

/// <summary>A state that a rule keeps per parameter.</summary>
public sealed record SlotSchema
{
    /// <summary>Its name in state dictionaries, such as "exp_avg_sq".</summary>
    public required string Name { get; init; }

    /// <summary>Its shape in terms of the parameter.</summary>
    public required SlotShape Shape { get; init; }

    /// <summary>What it starts with.</summary>
    public required string Initial { get; init; }

    /// <summary>What it is to helpers, such as the first moment; "" for nothing in particular.</summary>
    public required string Role { get; init; }

    /// <summary>The hyper-parameter that must be switched on, or be one of <see cref="WhenWords"/>, for it to exist;
    /// "" = always there.</summary>
    public required string When { get; init; }

    /// <summary>The words of <see cref="When"/> with which it exists; empty = it is no word.</summary>
    public required IReadOnlyList<string> WhenWords { get; init; }

    /// <summary>A line of documentation.</summary>
    public required string Doc { get; init; }
}
