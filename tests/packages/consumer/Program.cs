// A user's program: ten steps of AdamW on a least-squares problem; prints the loss before and after.
using System.Globalization;
using Optim;
using Optim.TorchSharp;

float[] target = [1, -2, 0.5f, 3];
using var engine = new Engine();
using var weights = Tensor.Allocate(engine, DType.Float32, target.Length);
using var gradient = Tensor.Allocate(engine, DType.Float32, target.Length);
using var ofTorch = TorchParameters.From(engine, Array.Empty<nint>(), handle => handle); // a program without torch has none
using var optimizer = new AdamW(engine, [new Parameter(weights, gradient, "weights"), .. ofTorch], new AdamWOptions { LearningRate = 0.1 });
var before = Loss();
for (var step = 0; step < 10; step++)
{
    gradient.CopyFrom([.. weights.AsSpan<float>().ToArray().Zip(target, (w, t) => 2 * (w - t))]);
    optimizer.Step();
}

Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"loss {before:F4} -> {Loss():F4}"));

double Loss() => weights.AsSpan<float>().ToArray().Zip(target, (w, t) => (double)(w - t) * (w - t)).Sum();
