namespace Optim.Cli.Replay;

/// <summary>Tensors of one storage type on one engine, freed together.</summary>
internal sealed class TensorBag(Engine engine, DType dtype) : IDisposable
{
    private readonly List<Tensor> _tensors = [];

    public Tensor Allocate(ReadOnlySpan<long> shape)
    {
        var tensor = Tensor.Allocate(engine, dtype, shape);
        _tensors.Add(tensor);
        return tensor;
    }

    /// <summary>A tensor with the shape and the values of one of the case.</summary>
    public Tensor Load(GoldenCase golden, string name)
    {
        Tensor tensor = Allocate(golden.Shape(name));
        tensor.CopyFromDoubles(golden.Values(name));
        return tensor;
    }

    public void Dispose() => _tensors.ForEach(tensor => tensor.Dispose());
}
