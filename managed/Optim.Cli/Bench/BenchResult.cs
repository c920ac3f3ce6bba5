namespace Optim.Cli.Bench;

/// <summary>One line of the result.</summary>
/// <param name="CostLine">Floats that a step moves for each parameter by the schema: of vectors or of matrices, with default
/// hyper-parameters and no helpers.</param>
/// <param name="BytesPerElement">Bytes that the step must read and write for each parameter.</param>
/// <param name="Launches">Kernels that a step starts on a CUDA device; 0 on the CPU.</param>
/// <param name="Seconds">Median time of a step.</param>
/// <param name="GbPerS">Those bytes in that time, in units of 10^9 bytes a second.</param>
/// <param name="BandwidthGbPerS">Median bandwidth of the memory, measured in turn with the steps.</param>
/// <param name="Fraction">How much of the bandwidth the step reaches.</param>
internal sealed record BenchResult(
    string Rule,
    string Device,
    string Dtype,
    long Elements,
    int Tensors,
    double CostLine,
    double BytesPerElement,
    long Launches,
    double Seconds,
    double GbPerS,
    double BandwidthGbPerS,
    double Fraction);
