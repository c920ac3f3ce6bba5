namespace Optim;

/// <summary>A rule of the native library: an optimizer's mathematics, its hyper-parameters and states.</summary>
public sealed record RuleSchema
{
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

    /// <summary>How it computes.</summary>
    public required RuleShape Shape { get; init; }

    /// <summary>Inputs it needs besides gradients, such as "hessian".</summary>
    public required IReadOnlyList<string> Needs { get; init; }

    /// <summary>What a step moves and what is kept.</summary>
    public required StepCost Cost { get; init; }

    /// <summary>Names under which the literature knows it with other values; Optimizer.Create takes those too.</summary>
    public IReadOnlyList<RuleAlias> Aliases { get; init; } = [];

    /// <summary>Its hyper-parameters, in the order of rows of values.</summary>
    public required IReadOnlyList<HyperSchema> Hypers { get; init; }

    /// <summary>Its states.</summary>
    public required IReadOnlyList<SlotSchema> Slots { get; init; }

    /// <summary>Position of a hyper-parameter in rows of values, by its name or another spelling.</summary>
    /// <exception cref="ArgumentException">The rule has no hyper-parameter of that name.</exception>
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
    public override string ToString() => Name;
}
