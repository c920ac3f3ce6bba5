using System.Globalization;
using System.Text.Json;

namespace Optim.Cli.Tests;

/// <summary>How far a float32 result may be from the float64 reference (tests/golden/README.md).</summary>
internal sealed class GoldenTolerance
{
    // Set a: case, param_rel, param_scaled, moved_rel, state_rel; set b: case, optimizer, relative error.
    private readonly Dictionary<string, (double Parameter, double State)> _setA;
    private readonly Dictionary<string, double> _setB;

    public GoldenTolerance(string folder)
    {
        _setA = Rows(folder, "float32-error-a.tsv")
            .ToDictionary(row => row[0], row => (Number(row[2]), Number(row[4])));
        _setB = Rows(folder, "float32-error-b.tsv")
            .Where(row => !row[0].Contains('#', StringComparison.Ordinal))
            .ToDictionary(row => row[0], row => Number(row[2]));
    }

    /// <summary>||x - x64|| in units of what is allowed: at most 1.</summary>
    public double Excess(string caseName, string tensor, double[] computed, double[] expected, double[]? initial)
    {
        double error = Norm(computed.Zip(expected, (x, y) => x - y));
        double size = Norm(expected);
        double allowed = _setA.TryGetValue(caseName, out var a)
            ? tensor.StartsWith("param.", StringComparison.Ordinal)
                ? Math.Max(2e-6, 10 * a.Parameter) * (size + Norm(initial!))
                : Math.Max(4e-6, 10 * a.State) * size
            : Math.Max(2e-6, 4 * _setB[caseName]) * size;
        return error == 0 ? 0 : error / allowed;
    }

    /// <summary>The relative error that a root in float64 of a case may have, by the condition of its matrix (a ridge of
    /// 1e-6 makes it 1e6 at most).</summary>
    public static double OfRoot(TensorSet golden)
    {
        using var hypers = JsonDocument.Parse(golden.Metadata["hyperparameters"]);
        double condition = hypers.RootElement.TryGetProperty("condition", out JsonElement value) ? value.GetDouble() : 0;
        long rows = golden.Tensors.Values.Max(tensor => tensor.Shape.IsEmpty ? 1 : tensor.Shape[0]);
        return 1e-9 + (100 * rows * 1.1e-16 * Math.Max(condition, 1e6));
    }

    /// <summary>||x - y|| / ||y||; 0 when they are equal.</summary>
    public static double Relative(double[] computed, double[] expected)
    {
        double error = Norm(computed.Zip(expected, (x, y) => x - y));
        return error == 0 ? 0 : error / Norm(expected);
    }

    private static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(value => value * value));

    private static IEnumerable<string[]> Rows(string folder, string file) =>
        File.ReadLines(Path.Combine(folder, file)).Skip(1).Select(line => line.Split('\t'));

    private static double Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : 0;
}
