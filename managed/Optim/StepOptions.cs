namespace Optim;

/// <summary>What one step may be told, as a gradient scaler does. Each tensor is one Float32 on the device of the optimizer,
/// and is kept alive until the next step.</summary>
public readonly record struct StepOptions
{
    /// <summary>Gradients are divided by it; null = they are not.</summary>
    public Tensor? GradScale { get; init; }

    /// <summary>When it is not zero nothing changes and no step is counted; null = none.</summary>
    public Tensor? FoundInf { get; init; }

    /// <summary>A gradient element that is not finite sets it to 1 and skips the step likewise; null = none.</summary>
    public Tensor? Overflow { get; init; }
}
