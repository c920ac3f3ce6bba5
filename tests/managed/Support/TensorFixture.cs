namespace Optim.Tests.Support;

/// <summary>An engine, and tensors that live as long as a test.</summary>
public abstract class TensorFixture : IDisposable
{
    private readonly List<Tensor> _tensors = [];

    private protected TensorFixture() { }

    private protected Engine Engine { get; } = TestDevice.Open();

    public void Dispose()
    {
        _tensors.ForEach(tensor => tensor.Dispose());
        Engine.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected Tensor Allocate(DType dtype, double[] values, params ReadOnlySpan<long> shape)
    {
        var tensor = Tensor.Allocate(Engine, dtype, shape);
        _tensors.Add(tensor);
        tensor.CopyFromDoubles(values);
        return tensor;
    }
}
