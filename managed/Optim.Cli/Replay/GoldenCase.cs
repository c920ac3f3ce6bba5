using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Optim.Cli.Replay;

/// <summary>A file of format optim-golden-1: inputs and expected tensors of one optimizer or one item, with its hyper-
/// parameters.</summary>
internal sealed class GoldenCase
{
    private const string Format = "optim-golden-1";
    private const int LongestQuote = 100;

    private readonly TensorSet _tensors;

    private GoldenCase(string name, TensorSet tensors)
    {
        _tensors = tensors;
        Name = name;
        if (Metadata("format") != Format)
        {
            throw new FormatException($"{name}: format is '{Metadata("format")}', expected '{Format}'");
        }

        Item = Metadata("optimizer");
        Hypers = new GoldenHypers(name, Json<Dictionary<string, JsonElement>>("hyperparameters", "an object of sound text"));
        Recorded = Json<int[]>("recorded", "a list of whole numbers");
        Steps = int.TryParse(Metadata("steps"), NumberStyles.None, CultureInfo.InvariantCulture, out int steps)
            ? steps
            : throw Wrong("steps", $"a whole number from 0 to {int.MaxValue}");
        if (Steps > 0 && !Names.Any(tensor => tensor.EndsWith(TensorName.Of("", Steps), StringComparison.Ordinal)))
        {
            throw new FormatException($"{name}: steps is {Steps}, but no tensor is of that step");
        }
    }

    /// <summary>Name of the file without its extension.</summary>
    public string Name { get; }

    /// <summary>What is replayed: a rule, "rule+helper", or an item such as "agc".</summary>
    public string Item { get; }

    public GoldenHypers Hypers { get; }

    /// <summary>Number of steps; 0 for a case of direct inputs and outputs.</summary>
    public int Steps { get; }

    /// <summary>What recorded it counts the steps of a group, also for parameters without a gradient.</summary>
    public bool CountsByGroup =>
        _tensors.Metadata.TryGetValue("source", out string? source) && source.Contains("pytorch_optimizer", StringComparison.Ordinal);

    /// <summary>The steps after which parameters are expected.</summary>
    public IReadOnlyList<int> Recorded { get; }

    /// <summary>Names of the tensors, inputs and expected ones.</summary>
    public IEnumerable<string> Names => _tensors.Tensors.Keys;

    /// <summary>Names of the expected tensors.</summary>
    public IEnumerable<string> Expected => Names.Where(IsExpected);

    public static GoldenCase Load(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        return new GoldenCase(name, SafeTensors.Load(path));
    }

    public bool Has(string tensor) => _tensors.Tensors.ContainsKey(tensor);

    public ReadOnlySpan<long> Shape(string tensor) => Info(tensor).Shape;

    /// <summary>The numbers of a tensor, floating or whole.</summary>
    public double[] Values(string tensor) =>
        Info(tensor).Type == SafeTensorType.I64
            ? [.. _tensors.Get<long>(tensor).Select(number => (double)number)]
            : _tensors.GetDoubles(tensor);

    public long[] Integers(string tensor)
    {
        TensorInfo info = Info(tensor);
        if (info.Type != SafeTensorType.I64)
        {
            throw new FormatException($"{Name}: tensor '{tensor}' is {info.Type}, expected I64");
        }

        var values = new long[info.ElementCount];
        _tensors.Read(tensor, 0, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    private static bool IsExpected(string tensor) =>
        tensor.StartsWith("out.", StringComparison.Ordinal)
        || tensor.StartsWith("state.", StringComparison.Ordinal)
        || (
            tensor.StartsWith("param.", StringComparison.Ordinal) && !tensor.EndsWith(".init", StringComparison.Ordinal)
        );

    private TensorInfo Info(string tensor) =>
        _tensors.Tensors.TryGetValue(tensor, out var info) ? info : throw Missing(tensor);

    private FormatException Missing(string tensor) => new($"{Name}: tensor '{tensor}' is missing");

    private T Json<T>(string key, string expected)
    {
        try
        {
            T value = JsonSerializer.Deserialize<T>(Metadata(key)) ?? throw Wrong(key, expected);
            _ = JsonSerializer.Serialize(value); // which, unlike reading, finds escapes that are half a character
            return value;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            throw Wrong(key, expected);
        }
    }

    private FormatException Wrong(string key, string expected) =>
        new($"{Name}: metadata '{key}' is '{Short(Metadata(key))}', expected {expected}");

    private static string Short(string text) => text.Length <= LongestQuote ? text : $"{text[..LongestQuote]}...";

    private string Metadata(string key) =>
        _tensors.Metadata.TryGetValue(key, out string? value)
            ? value
            : throw new FormatException($"{Name}: metadata '{key}' is missing");
}
