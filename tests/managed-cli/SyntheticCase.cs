using System.Globalization;
using System.Text.Json;

namespace Optim.Cli.Tests;

/// <summary>Small trajectories in the golden format, for what no real case has.</summary>
internal sealed class SyntheticCase
{
    private const int Steps = 3;

    private static readonly long[] Shape = [2, 3];

    private readonly TensorSet _tensors = new();

    /// <summary>A case whose metadata has one value that is not its own.</summary>
    public SyntheticCase(string item, object hypers, string key, string value)
        : this(item, hypers) => _tensors.Metadata[key] = value;

    public SyntheticCase(string item, object hypers, int? withoutGradientAt = null)
    {
        _tensors.Metadata["format"] = "optim-golden-1";
        _tensors.Metadata["optimizer"] = item;
        _tensors.Metadata["hyperparameters"] = JsonSerializer.Serialize(hypers);
        _tensors.Metadata["steps"] = Steps.ToString(CultureInfo.InvariantCulture);
        _tensors.Metadata["recorded"] = "[1, 2, 3]";
        _tensors.Add("param.0.init", Initial, Shape);
        for (int step = 1; step <= Steps; step++)
        {
            if (step != withoutGradientAt)
            {
                _tensors.Add($"grad.0.{step}", Gradient(step), Shape);
            }
            _tensors.Add($"param.0.{step}", new double[Initial.Length], Shape);
        }
    }

    public static float[] Initial => [0.5f, -1, 0.25f, 2, -0.125f, 1];

    public static float[] Gradient(int step) => [.. Initial.Select((value, i) => (value * step) + (i * 0.1f))];

    /// <summary>What an optimizer made by hand computes from the same numbers.</summary>
    public static double[] Expected(string rule, IReadOnlyDictionary<string, double> hypers, Helpers helpers)
    {
        using var engine = new Engine();
        using var value = Tensor.Allocate(engine, DType.Float32, Shape);
        using var gradient = Tensor.Allocate(engine, DType.Float32, Shape);
        value.CopyFrom(Initial);
        using var optimizer = Optimizer.Create(rule, engine, [new Parameter(value, gradient)], hypers, helpers);
        for (int step = 1; step <= Steps; step++)
        {
            gradient.CopyFrom(Gradient(step));
            optimizer.Step();
        }
        return value.ToDoubles();
    }

    public string Save(string path)
    {
        SafeTensors.Save(path, _tensors);
        return path;
    }
}
