using System.Numerics;
using System.Numerics.Tensors;

namespace Optim.Cli.Demo;

/// <summary>y = x W^T + b for a batch of rows, with its gradients; W is stored as one row of inputs for every
/// output.</summary>
internal static class DenseLayer
{
    public static void Forward<T>(
        ReadOnlySpan<T> input,
        ReadOnlySpan<T> weight,
        ReadOnlySpan<T> bias,
        Span<T> output,
        int inputs)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int outputs = bias.Length;
        for (int row = 0; row < output.Length / outputs; row++)
        {
            var x = input.Slice(row * inputs, inputs);
            var y = output.Slice(row * outputs, outputs);
            for (int o = 0; o < outputs; o++)
            {
                y[o] = TensorPrimitives.Dot(x, weight.Slice(o * inputs, inputs)) + bias[o];
            }
        }
    }

    /// <summary>From dL/dy to dL/dW and dL/db (overwritten), and to dL/dx unless <paramref name="inputGradient"/> is
    /// empty.</summary>
    public static void Backward<T>(
        ReadOnlySpan<T> input,
        ReadOnlySpan<T> weight,
        ReadOnlySpan<T> outputGradient,
        Span<T> weightGradient,
        Span<T> biasGradient,
        Span<T> inputGradient,
        int inputs)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int outputs = biasGradient.Length;
        weightGradient.Clear();
        biasGradient.Clear();
        inputGradient.Clear();
        for (int row = 0; row < outputGradient.Length / outputs; row++)
        {
            var x = input.Slice(row * inputs, inputs);
            var dy = outputGradient.Slice(row * outputs, outputs);
            TensorPrimitives.Add(biasGradient, dy, biasGradient);
            for (int o = 0; o < outputs; o++)
            {
                // Behind a ReLU about half of the gradients are exact zeros.
                if (dy[o] == T.Zero)
                {
                    continue;
                }

                var dw = weightGradient.Slice(o * inputs, inputs);
                TensorPrimitives.MultiplyAdd(x, dy[o], dw, dw);
                if (!inputGradient.IsEmpty)
                {
                    var dx = inputGradient.Slice(row * inputs, inputs);
                    TensorPrimitives.MultiplyAdd(weight.Slice(o * inputs, inputs), dy[o], dx, dx);
                }
            }
        }
    }
}
