namespace Optim.Cli.Bench;

/// <summary>What is measured.</summary>
/// <param name="Elements">Parameters in all.</param>
/// <param name="Tensors">Tensors they are split into, of equal size.</param>
/// <param name="Columns">0 for vectors; else the tensors are matrices of that many columns.</param>
/// <param name="DType">Storage of parameters and gradients by its short name.</param>
/// <param name="Storage">Master weights and stochastic rounding.</param>
/// <param name="Repeat">Measurements, of which the median counts.</param>
internal sealed record BenchSettings(
    long Elements,
    int Tensors,
    long Columns,
    string DType,
    Helpers Helpers,
    OptimizerStorage Storage,
    int Repeat)
{
    /// <summary>Shape of every tensor.</summary>
    public long[] Shape => Columns == 0 ? [Elements / Tensors] : [Elements / Tensors / Columns, Columns];

    /// <summary>What forbids these settings; null when nothing does.</summary>
    public string? Problem =>
        Elements % Tensors != 0 ? $"{Elements} elements cannot be split into {Tensors} equal tensors"
        : Columns > 0 && Elements / Tensors % Columns != 0
            ? $"tensors of {Elements / Tensors} elements have no rows of {Columns} elements"
        : null;
}
