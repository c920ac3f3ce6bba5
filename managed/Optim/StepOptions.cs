namespace Optim;

/// <summary>What one step may be told, as a gradient scaler does.</summary>
public readonly record struct StepOptions
{
    /// <summary>Address of a float on the device by which gradients are divided; 0 = none.</summary>
    public nint GradScale { get; init; }

    /// <summary>Address of a float on the device; when it is not zero nothing changes and no step is counted; 0 =
    /// none.</summary>
    public nint FoundInf { get; init; }

    /// <summary>Address of a float on the device; a gradient element that is not finite sets it to 1 and skips the step
    /// likewise; 0 = none.</summary>
    public nint Overflow { get; init; }
}
