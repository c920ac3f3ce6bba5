namespace Optim;

/// <summary>Storage types of what an optimizer reads and keeps beside the parameters.</summary>
public sealed record OptimizerStorage
{
    /// <summary>Type of all gradients; null = that of the gradients present at construction, else of each
    /// parameter.</summary>
    public DType? GradientType { get; init; }

    /// <summary>Type of all states; null = Float64 for Float64 parameters, else Float32.</summary>
    public DType? StateType { get; init; }
}
