using System.Text.Json;

namespace Optim;

/// <summary>The header of a safetensors file. Nothing in it is trusted: names, types, shapes and offsets are checked
/// against each other and against the bytes there are.</summary>
internal sealed class SafeTensorsHeader
{
    /// <summary>The limit of the format's own reader.</summary>
    public const int MaximumBytes = 100_000_000;

    public const string MetadataKey = "__metadata__";

    private readonly Dictionary<string, string> _metadata = [];
    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, long> _offsets = [];

    private SafeTensorsHeader() { }

    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>Begin of every tensor, counted from the end of the header.</summary>
    public IReadOnlyDictionary<string, long> Offsets => _offsets;

    public static SafeTensorsHeader Parse(byte[] json, long dataBytes)
    {
        var header = new SafeTensorsHeader();
        try
        {
            using var document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new FormatException($"its header is a JSON {document.RootElement.ValueKind}, not an object");
            }

            foreach (var entry in document.RootElement.EnumerateObject())
            {
                header.Read(entry, dataBytes);
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that is no valid UTF-8 or UTF-16.
            throw new FormatException($"its header is not JSON ({exception.Message})", exception);
        }

        header.CheckCoverage(dataBytes);
        return header;
    }

    private void Read(JsonProperty entry, long dataBytes)
    {
        if (entry.Name == MetadataKey)
        {
            ReadMetadata(entry.Value);
            return;
        }

        var name = entry.Name;
        if (_tensors.ContainsKey(name))
        {
            throw new FormatException($"tensor \"{name}\" appears twice in the header");
        }

        var type = SafeTensorTypes.Parse(Member(entry, "dtype", JsonValueKind.String).GetString()!, name);
        var info = new TensorInfo(name, type, WholeNumbers(entry, "shape"));
        var offsets = WholeNumbers(entry, "data_offsets");
        if (offsets.Length != 2 || offsets[0] < 0 || offsets[1] < offsets[0] || offsets[1] > dataBytes)
        {
            throw new FormatException(
                $"tensor \"{name}\" has data_offsets {TensorLayout.Text(offsets)}; "
                    + $"a begin and an end within the {dataBytes} bytes of data are allowed"
            );
        }

        if (offsets[1] - offsets[0] != info.ByteLength)
        {
            throw new FormatException(
                $"tensor {info} needs {info.ByteLength} bytes, its data_offsets span {offsets[1] - offsets[0]}"
            );
        }

        _tensors.Add(name, info);
        _offsets.Add(name, offsets[0]);
    }

    private void ReadMetadata(JsonElement metadata)
    {
        if (metadata.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException($"{MetadataKey} is a JSON {metadata.ValueKind}, not an object");
        }

        foreach (var entry in metadata.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String)
            {
                throw new FormatException(
                    $"\"{entry.Name}\" of {MetadataKey} is a JSON {entry.Value.ValueKind}, not a string"
                );
            }

            if (!_metadata.TryAdd(entry.Name, entry.Value.GetString()!))
            {
                throw new FormatException($"\"{entry.Name}\" appears twice in {MetadataKey}");
            }
        }
    }

    /// <summary>The tensors must fill the data from its begin to its end, without overlap or gap.</summary>
    private void CheckCoverage(long dataBytes)
    {
        var end = 0L;
        foreach (var info in _tensors.Values.OrderBy(info => _offsets[info.Name]).ThenBy(info => info.ByteLength))
        {
            var begin = _offsets[info.Name];
            if (begin != end)
            {
                throw new FormatException(
                    $"tensor \"{info.Name}\" begins at byte {begin} of the data; the tensors before it end at {end}"
                );
            }

            end += info.ByteLength;
        }

        if (end != dataBytes)
        {
            throw new FormatException($"its tensors have {end} bytes, the file has {dataBytes} bytes of data");
        }
    }

    private static JsonElement Member(JsonProperty entry, string member, JsonValueKind kind)
    {
        if (entry.Value.ValueKind != JsonValueKind.Object || !entry.Value.TryGetProperty(member, out var value))
        {
            throw new FormatException($"tensor \"{entry.Name}\" has no {member}");
        }

        return value.ValueKind == kind
            ? value
            : throw new FormatException($"{member} of tensor \"{entry.Name}\" is a JSON {value.ValueKind}, not {kind}");
    }

    private static long[] WholeNumbers(JsonProperty entry, string member)
    {
        var numbers = new List<long>();
        foreach (var item in Member(entry, member, JsonValueKind.Array).EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out var number))
            {
                throw new FormatException(
                    $"{member} of tensor \"{entry.Name}\" has {item.GetRawText()}, not a whole number"
                );
            }

            numbers.Add(number);
        }

        return [.. numbers];
    }
}
