namespace Optim;

/// <summary>What a rule and a schedule of the native library have in common.</summary>
public abstract record CatalogueEntry
{
    private protected CatalogueEntry() { }

    /// <summary>Its name, in lower case.</summary>
    public required string Name { get; init; }

    /// <summary>Its usual spelling.</summary>
    public required string Title { get; init; }

    /// <summary>The paper it comes from.</summary>
    public required string Paper { get; init; }

    /// <summary>Address of the paper.</summary>
    public required string Url { get; init; }

    /// <summary>What it is, in a sentence or two.</summary>
    public required string Summary { get; init; }

    /// <summary>Its hyper-parameters, in the order of rows of values.</summary>
    public required IReadOnlyList<HyperSchema> Hypers { get; init; }

    /// <summary>Position of a hyper-parameter in rows of values, by its name or another spelling.</summary>
    /// <exception cref="ArgumentException">There is no hyper-parameter of that name.</exception>
    public int IndexOf(string hyper)
    {
        for (var i = 0; i < Hypers.Count; i++)
        {
            if (Hypers[i].Name == hyper || Hypers[i].Spellings.Contains(hyper))
            {
                return i;
            }
        }

        throw new ArgumentException(
            $"{Name} has no hyper-parameter \"{hyper}\"; it has {string.Join(", ", Hypers.Select(h => h.Name))}.",
            nameof(hyper)
        );
    }

    /// <inheritdoc/>
    public sealed override string ToString() => Name;
}
