using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Optim.Cli.Replay;

/// <summary>A file of format optim-golden-1: inputs and expected tensors of one optimizer or one item, with its hyper-
/// parameters.</summary>
internal sealed class GoldenCase
{
    private const string Format = "optim-golden-1";

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
        Hypers = new GoldenHypers(
            name,
            Json<Dictionary<string, JsonElement>>("hyperparameters"));
        Recorded = Json<int[]>("recorded");
        Steps = int.Parse(Metadata("steps"), CultureInfo.InvariantCulture);
    }

    /// <summary>Name of the file without its extension.</summary>
    public string Name { get; }

    /// <summary>What is replayed: a rule, "rule+helper", or an item such as "agc".</summary>
    public string Item { get; }

    public GoldenHypers Hypers { get; }

    /// <summary>Number of steps; 0 for a case of direct inputs and outputs.</summary>
    public int Steps { get; }

    /// <summary>The steps after which parameters are expected.</summary>
    public IReadOnlyList<int> Recorded { get; }

    /// <summary>Names of the tensors, inputs and expected ones.</summary>
    public IEnumerable<string> Names => _tensors.Tensors.Keys;

    /// <summary>Names of the expected tensors.</summary>
    public IEnumerable<string> Expected => Names.Where(IsExpected);

    public static GoldenCase Load(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        try
        {
            return new GoldenCase(name, SafeTensors.Load(path));
        }
        catch (JsonException exception)
        {
            throw new FormatException($"{name}: its metadata is no sound JSON: {exception.Message}", exception);
        }
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

    private T Json<T>(string key) =>
        JsonSerializer.Deserialize<T>(Metadata(key))
        ?? throw new FormatException($"{Name}: metadata '{key}' is null");

    private string Metadata(string key) =>
        _tensors.Metadata.TryGetValue(key, out string? value)
            ? value
            : throw new FormatException($"{Name}: metadata '{key}' is missing");
}
