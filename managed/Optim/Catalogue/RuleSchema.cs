namespace Optim;

/// <summary>A rule of the native library: an optimizer's mathematics, its hyper-parameters and states.</summary>
public sealed record RuleSchema : CatalogueEntry
{
    /// <summary>How it computes.</summary>
    public required RuleShape Shape { get; init; }

    /// <summary>Inputs it needs besides gradients, such as "hessian".</summary>
    public required IReadOnlyList<string> Needs { get; init; }

    /// <summary>How far one element of a gradient has a part in a step, with default hyper-parameters.</summary>
    public required RuleReach Reach { get; init; }

    /// <summary>What a step moves and what is kept.</summary>
    public required StepCost Cost { get; init; }

    /// <summary>Names under which the literature knows it with other values; Optimizer.Create takes those too.</summary>
    public IReadOnlyList<RuleAlias> Aliases { get; init; } = [];

    /// <summary>Its states.</summary>
    public required IReadOnlyList<SlotSchema> Slots { get; init; }

    /// <summary>Whether two rows of values decide that different states exist.</summary>
    internal bool HasOtherStates(ReadOnlySpan<double> values, ReadOnlySpan<double> others)
    {
        for (var i = 0; i < Slots.Count; i++)
        {
            if (Exists(Slots[i], values) != Exists(Slots[i], others))
            {
                return true;
            }
        }

        return false;
    }

    private bool Exists(SlotSchema slot, ReadOnlySpan<double> values)
    {
        if (slot.When.Length == 0)
        {
            return true;
        }

        var index = IndexOf(slot.When);
        return slot.WhenWords.Count == 0
            ? values[index] != 0
            : slot.WhenWords.Contains(Hypers[index].Words[(int)values[index]]);
    }
}
