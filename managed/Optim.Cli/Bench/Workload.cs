namespace Optim.Cli.Bench;

/// <summary>Parameters and gradients of equal shape with plausible values: zeros or denormal numbers would measure
/// something else.</summary>
internal sealed class Workload : IDisposable
{
    private const int Distinct = 1 << 16;
    private const double ParameterScale = 0.1,
        GradientScale = 0.01;

    private readonly List<Tensor> _tensors = [];

    public Workload(Engine engine, int tensors, long[] shape, DType dtype)
    {
        byte[] values = Pattern(engine, shape, dtype, ParameterScale);
        byte[] gradients = Pattern(engine, shape, dtype, GradientScale);
        Parameters =
        [
            .. Enumerable
                .Range(0, tensors)
                .Select(_ => new Parameter(
                    Filled(engine, shape, dtype, values),
                    Filled(engine, shape, dtype, gradients))),
        ];
    }

    public IReadOnlyList<Parameter> Parameters { get; }

    public void Dispose() => _tensors.ForEach(tensor => tensor.Dispose());

    private Tensor Filled(Engine engine, long[] shape, DType dtype, byte[] bytes)
    {
        var tensor = Tensor.Allocate(engine, dtype, shape);
        _tensors.Add(tensor);
        tensor.CopyFrom(bytes);
        return tensor;
    }

    // The bytes of one tensor: some random values in the storage type, over and over.
    private static byte[] Pattern(Engine engine, long[] shape, DType dtype, double scale)
    {
        var random = new Random(1);
        using var block = Tensor.Allocate(engine, dtype, [Distinct]);
        block.CopyFromDoubles([.. Enumerable.Range(0, Distinct).Select(_ => scale * (2 * random.NextDouble() - 1))]);
        var period = new byte[block.ByteLength];
        block.CopyTo<byte>(period);

        var bytes = new byte[shape.Aggregate(1L, (count, size) => count * size) * dtype.Size()];
        for (int start = 0; start < bytes.Length; start += period.Length)
        {
            period.AsSpan(0, Math.Min(period.Length, bytes.Length - start)).CopyTo(bytes.AsSpan(start));
        }
        return bytes;
    }
}
