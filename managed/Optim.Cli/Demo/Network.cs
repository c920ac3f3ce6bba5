using System.Numerics;
using System.Numerics.Tensors;

namespace Optim.Cli.Demo;

/// <summary>
/// A multilayer perceptron with ReLU between its layers and softmax cross-entropy at its end. Weights, biases and their
/// gradients lie in native host buffers, where the optimizer reads and writes them.
/// </summary>
internal sealed class Network<T> : IDisposable
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private readonly int[] _widths;
    private readonly Layer[] _layers;

    // Values and gradients of every layer's output for the current batch; index 0 is the input.
    private T[][] _values = [];
    private T[][] _gradients = [];
    private int _batch;

    /// <summary>Weights are drawn as He et al. (arXiv 1502.01852) propose, biases are 0.</summary>
    public Network(Engine host, IReadOnlyList<int> widths, int seed)
    {
        _widths = [.. widths];
        _layers = new Layer[_widths.Length - 1];
        var random = new Random(seed);
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i] = new Layer(host, _widths[i], _widths[i + 1]);
            double deviation = Math.Sqrt(2.0 / _widths[i]);
            foreach (ref T weight in _layers[i].Weight.AsSpan<T>())
            {
                weight = T.CreateChecked(deviation * Normal(random));
            }
        }
    }

    /// <summary>Parameters with their gradients, in the order weight, bias of the first layer, weight, bias of the
    /// second, ...</summary>
    public IEnumerable<(Tensor Value, Tensor Gradient)> Parameters =>
        _layers.SelectMany(l => new[] { (l.Weight, l.WeightGradient), (l.Bias, l.BiasGradient) });

    public long ParameterCount => _layers.Sum(l => l.Weight.ElementCount + l.Bias.ElementCount);

    /// <summary>Mean cross-entropy of a batch; leaves its gradient in the gradient buffers.</summary>
    public double Train(ReadOnlySpan<float> images, ReadOnlySpan<int> labels)
    {
        Forward(images, labels.Length);
        double loss = CrossEntropy(labels, _gradients[^1]);
        for (int i = _layers.Length - 1; i >= 0; i--)
        {
            Layer layer = _layers[i];
            DenseLayer.Backward<T>(
                _values[i],
                layer.Weight.AsSpan<T>(),
                _gradients[i + 1],
                layer.WeightGradient.AsSpan<T>(),
                layer.BiasGradient.AsSpan<T>(),
                i > 0 ? _gradients[i] : [],
                _widths[i]
            );
            if (i > 0)
            {
                BackwardThroughRelu(_values[i], _gradients[i]);
            }
        }
        return loss;
    }

    /// <summary>Mean cross-entropy and share of correctly classified images.</summary>
    public (double Loss, double Accuracy) Evaluate(DigitSet digits)
    {
        Forward(digits.Images, digits.Count);
        double loss = CrossEntropy(digits.Labels, _gradients[^1]);
        int correct = 0;
        int classes = _widths[^1];
        for (int row = 0; row < digits.Count; row++)
        {
            correct +=
                TensorPrimitives.IndexOfMax<T>(_values[^1].AsSpan(row * classes, classes)) == digits.Labels[row]
                    ? 1
                    : 0;
        }
        return (loss, (double)correct / digits.Count);
    }

    public void Dispose()
    {
        foreach (Layer layer in _layers)
        {
            layer.Dispose();
        }
    }

    private void Forward(ReadOnlySpan<float> images, int batch)
    {
        if (_batch != batch)
        {
            _batch = batch;
            _values = [.. _widths.Select(width => new T[batch * width])];
            _gradients = [.. _widths.Select(width => new T[batch * width])];
        }
        TensorPrimitives.ConvertTruncating(images, _values[0]);
        for (int i = 0; i < _layers.Length; i++)
        {
            Span<T> output = _values[i + 1];
            DenseLayer.Forward<T>(
                _values[i],
                _layers[i].Weight.AsSpan<T>(),
                _layers[i].Bias.AsSpan<T>(),
                output,
                _widths[i]
            );
            if (i + 1 < _layers.Length)
            {
                TensorPrimitives.Max(output, T.Zero, output);
            }
        }
    }

    // d loss / d logit = (softmax - one-hot) / batch. The loss itself is log(sum exp(z - max)) + max - z[label], so it
    // cannot overflow.
    private double CrossEntropy(ReadOnlySpan<int> labels, Span<T> gradient)
    {
        int classes = _widths[^1];
        double loss = 0;
        for (int row = 0; row < labels.Length; row++)
        {
            ReadOnlySpan<T> logits = _values[^1].AsSpan(row * classes, classes);
            Span<T> probabilities = gradient.Slice(row * classes, classes);
            T largest = TensorPrimitives.Max(logits);
            TensorPrimitives.Subtract(logits, largest, probabilities);
            T ownLogit = probabilities[labels[row]];
            TensorPrimitives.Exp<T>(probabilities, probabilities);
            T sum = TensorPrimitives.Sum<T>(probabilities);
            loss += double.CreateChecked(T.Log(sum) - ownLogit);
            TensorPrimitives.Divide(probabilities, sum * T.CreateChecked(labels.Length), probabilities);
            probabilities[labels[row]] -= T.One / T.CreateChecked(labels.Length);
        }
        return loss / labels.Length;
    }

    private static void BackwardThroughRelu(ReadOnlySpan<T> output, Span<T> gradient)
    {
        for (int i = 0; i < gradient.Length; i++)
        {
            gradient[i] = output[i] > T.Zero ? gradient[i] : T.Zero;
        }
    }

    // Box and Muller; 1 - NextDouble() is never 0.
    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private sealed class Layer(Engine host, int inputs, int outputs) : IDisposable
    {
        private static readonly DType Storage = typeof(T) == typeof(double) ? DType.Float64 : DType.Float32;

        public Tensor Weight { get; } = Tensor.Allocate(host, Storage, [outputs, inputs]);

        public Tensor WeightGradient { get; } = Tensor.Allocate(host, Storage, [outputs, inputs]);

        public Tensor Bias { get; } = Tensor.Allocate(host, Storage, [outputs]);

        public Tensor BiasGradient { get; } = Tensor.Allocate(host, Storage, [outputs]);

        public void Dispose()
        {
            Weight.Dispose();
            WeightGradient.Dispose();
            Bias.Dispose();
            BiasGradient.Dispose();
        }
    }
}
