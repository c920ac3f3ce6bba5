using System.Text.Json.Nodes;

namespace Optim;

/// <summary>Reads the JSON in the metadata of a checkpoint. What is missing or of another kind is refused by its
/// name.</summary>
internal static class JsonFields
{
    private const double MostCounted = 1L << 53;

    /// <summary>A number; those that JSON cannot write, as a word.</summary>
    public static JsonNode Of(double value) =>
        double.IsFinite(value) ? JsonValue.Create(value)
        : double.IsNaN(value) ? JsonValue.Create("nan")
        : JsonValue.Create(value > 0 ? "inf" : "-inf");

    public static JsonArray ParseArray(IReadOnlyDictionary<string, string> metadata, string key) =>
        JsonNode.Parse(Text(metadata, key)) as JsonArray
        ?? throw new OptimException($"\"{key}\" in the metadata of the state is no JSON array.");

    public static JsonObject ParseObject(IReadOnlyDictionary<string, string> metadata, string key) =>
        JsonNode.Parse(Text(metadata, key)) as JsonObject
        ?? throw new OptimException($"\"{key}\" in the metadata of the state is no JSON object.");

    public static string Text(IReadOnlyDictionary<string, string> metadata, string key) =>
        metadata.TryGetValue(key, out var text)
            ? text
            : throw new OptimException($"The metadata of the state has no \"{key}\".");

    public static JsonObject Object(JsonNode? node, string what) =>
        node as JsonObject ?? throw Other(node, what, "a JSON object");

    public static JsonArray Array(JsonNode? node, string what) =>
        node as JsonArray ?? throw Other(node, what, "a JSON array");

    public static bool Flag(JsonNode? node, string what) =>
        node is JsonValue value && value.TryGetValue<bool>(out var flag) ? flag : throw Other(node, what, "true or false");

    public static string Word(JsonNode? node, string what) =>
        node is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw Other(node, what, "a string");

    /// <summary>A whole number from 0 to 2^53.</summary>
    public static long Count(JsonNode? node, string what)
    {
        var count = Number(node, what);
        return count >= 0 && count <= MostCounted && count == Math.Floor(count)
            ? (long)count
            : throw new OptimException($"{what} = {count:R} is not a whole number >= 0.");
    }

    public static double Number(JsonNode? node, string what)
    {
        if (node is JsonValue value)
        {
            if (value.TryGetValue<double>(out var number))
            {
                return number;
            }

            if (value.TryGetValue<string>(out var text))
            {
                return text switch
                {
                    "inf" => double.PositiveInfinity,
                    "-inf" => double.NegativeInfinity,
                    _ => double.NaN,
                };
            }
        }

        throw Other(node, what, "a number");
    }

    private static OptimException Other(JsonNode? node, string what, string expected) =>
        new($"{what} of the state is {node?.ToJsonString() ?? "missing"}, not {expected}.");
}
