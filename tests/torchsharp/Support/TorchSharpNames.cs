using Optim.TorchSharp.Tests.Support;

// The names of TorchSharp that the samples use, over the stand-in for its native library. They are TorchSharp's, not .NET's.
#pragma warning disable CS8981, CA1034, CA1050, CA1052, CA1708, CA1715, IDE1006
namespace TorchSharp;

public static class torch
{
    public static Tensor randn(params long[] sizes) => new(TorchTensor.Make(sizes, seed: sizes.Length, requiresGrad: false));

    public class Tensor
    {
        private readonly TorchTensor _tensor;

        internal Tensor(TorchTensor tensor) => _tensor = tensor;

        public nint Handle => _tensor.Handle;
    }

    public static class nn
    {
        public static Layer Linear(long inputs, long outputs) => new(
            [new(TorchTensor.Make([outputs, inputs], seed: 1)), new(TorchTensor.Make([outputs], seed: 2))]);

        public static Layer Tanh() => new([]);

        public static Sequential Sequential(params (string Name, Layer Layer)[] layers) => new(layers);

        public static class functional
        {
            public static Loss mse_loss(Output output, Tensor target) => new(output, target);
        }
    }

    public sealed class Layer
    {
        internal Layer(Tensor[] parameters) => Parameters = parameters;

        internal Tensor[] Parameters { get; }
    }

    /// <summary>Linear layers with tanh between them.</summary>
    public sealed class Sequential
    {
        private readonly (string Name, Layer Layer)[] _layers;

        internal Sequential((string Name, Layer Layer)[] layers) => _layers = layers;

        public IEnumerable<(string name, Tensor parameter)> named_parameters() =>
            _layers.SelectMany(named => named.Layer.Parameters.Select((tensor, i) => ($"{named.Name}.{(i == 0 ? "weight" : "bias")}", tensor)));

        public IEnumerable<Tensor> parameters() => named_parameters().Select(named => named.parameter);

        public Output forward(Tensor input) => new(this, input);
    }

    public sealed record Output(Sequential Model, Tensor Input);

    public sealed record Loss(Output Output, Tensor Target)
    {
        public static List<double> Values { get; } = [];

        public unsafe void backward()
        {
            nint[] handles = [.. Output.Model.parameters().Select(tensor => tensor.Handle)];
            fixed (nint* layers = handles)
            {
                Values.Add(StandIn.Backward(layers, handles.Length, Output.Input.Handle, Target.Handle));
                StandIn.Check();
            }
        }
    }
}
