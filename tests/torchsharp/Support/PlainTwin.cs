namespace Optim.TorchSharp.Tests.Support;

/// <summary>The parameters of a network in plain buffers of Optim, with the gradients that the network has.</summary>
internal sealed class PlainTwin : IDisposable
{
    private readonly Tensor[] _gradients;
    private readonly Perceptron _network;

    public PlainTwin(Engine engine, Perceptron network, DType dtype = DType.Float32)
    {
        _network = network;
        _gradients = [.. Perceptron.Shapes.Select(shape => Tensor.Allocate(engine, dtype, shape))];
        Parameters =
        [
            .. network.NamedParameters.Zip(
                Perceptron.Shapes,
                (named, shape) =>
                {
                    var value = Tensor.Allocate(engine, dtype, shape);
                    value.CopyFromDoubles(named.Tensor.ToDoubles(value.ElementCount));
                    return new Parameter(value, name: named.Name);
                }
            ),
        ];
    }

    public Parameter[] Parameters { get; }

    public double[][] Values => [.. Parameters.Select(parameter => parameter.Value.ToDoubles())];

    public void CopyGradients()
    {
        for (var i = 0; i < Parameters.Length; i++)
        {
            using var gradient = _network.Parameters[i].Gradient;
            if (gradient is not null)
            {
                _gradients[i].CopyFromDoubles(gradient.ToDoubles(Perceptron.Count(i)));
            }

            Parameters[i].Gradient = gradient is null ? null : _gradients[i];
        }
    }

    public void Dispose()
    {
        foreach (var tensor in _gradients.Concat(Parameters.Select(parameter => parameter.Value)))
        {
            tensor.Dispose();
        }
    }
}
