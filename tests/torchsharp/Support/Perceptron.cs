namespace Optim.TorchSharp.Tests.Support;

/// <summary>A small network of libtorch, and the data it learns.</summary>
internal sealed unsafe class Perceptron : IDisposable
{
    public static readonly long[][] Shapes =
    [
        [8, 4],
        [8],
        [2, 8],
        [2],
    ];

    private readonly TorchTensor _x;
    private readonly TorchTensor _y;

    public Perceptron(TorchType type = TorchType.Float32)
    {
        Parameters = [.. Shapes.Select((shape, i) => TorchTensor.Make(shape, seed: i, type))];
        _x = TorchTensor.Make([16, 4], seed: 5, type, requiresGrad: false);
        _y = TorchTensor.Make([16, 2], seed: 6, type, requiresGrad: false);
    }

    public TorchTensor[] Parameters { get; }

    public IEnumerable<(string Name, TorchTensor Tensor)> NamedParameters =>
        Parameters.Select((parameter, i) => ($"{i / 2}.{(i % 2 == 0 ? "weight" : "bias")}", parameter));

    /// <summary>All parameters, widened.</summary>
    public double[][] Values => [.. Parameters.Select((parameter, i) => parameter.ToDoubles(Count(i)))];

    public static long Count(int parameter) => Shapes[parameter].Aggregate(1L, (product, size) => product * size);

    /// <summary>Adds the gradients of the loss, which is returned, to those of the parameters.</summary>
    public double Backward()
    {
        nint[] handles = [.. Parameters.Select(parameter => parameter.Handle)];
        fixed (nint* layers = handles)
        {
            var loss = StandIn.Backward(layers, handles.Length, _x.Handle, _y.Handle);
            StandIn.Check();
            return loss;
        }
    }

    /// <summary>Gives every parameter without one a gradient of its own.</summary>
    public void GiveGradients(int seed, TorchType type = TorchType.Float32)
    {
        for (var i = 0; i < Parameters.Length; i++)
        {
            using var gradient = TorchTensor.Make(Shapes[i], seed + i, type, requiresGrad: false);
            Parameters[i].Gradient = gradient;
        }
    }

    public void Dispose()
    {
        foreach (var tensor in Parameters.Append(_x).Append(_y))
        {
            tensor.Dispose();
        }
    }
}
