namespace Optim;

/// <summary>A rule of the native library: an optimizer's mathematics, its hyper-parameters and states.</summary>
public sealed record RuleSchema : CatalogueEntry
{
    /// <summary>How it computes.</summary>
    public required RuleShape Shape { get; init; }

    /// <summary>Inputs it needs besides gradients, such as "hessian".</summary>
    public required IReadOnlyList<string> Needs { get; init; }

    /// <summary>What a step moves and what is kept.</summary>
    public required StepCost Cost { get; init; }

    /// <summary>Names under which the literature knows it with other values; Optimizer.Create takes those too.</summary>
    public IReadOnlyList<RuleAlias> Aliases { get; init; } = [];

    /// <summary>Its states.</summary>
    public required IReadOnlyList<SlotSchema> Slots { get; init; }
}
