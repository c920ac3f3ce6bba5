using System.Text.Json;

namespace Optim;

/// <summary>Reads the schema document of the native library (optim_schema_json).</summary>
internal static class SchemaReader
{
    private const string Format = "optim-schema-1";

    public static SchemaDocument Read(string json)
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        var format = root.GetProperty("format").GetString();
        return format == Format
            ? new SchemaDocument(
                [.. Items(root, "rules").Select(ReadRule).OrderBy(rule => rule.Name, StringComparer.Ordinal)],
                [.. Items(root, "schedules").Select(ReadSchedule).OrderBy(item => item.Name, StringComparer.Ordinal)],
                [.. Items(root, "helpers").Select(ReadHyper)]
            )
            : throw new FormatException(
                $"The library's schema is of format \"{format}\"; this assembly reads \"{Format}\"."
            );
    }

    private static JsonElement.ArrayEnumerator Items(JsonElement element, string name) =>
        element.GetProperty(name).EnumerateArray();

    private static ScheduleSchema ReadSchedule(JsonElement schedule) =>
        new()
        {
            Name = Text(schedule, "name"),
            Title = Text(schedule, "title"),
            Paper = Text(schedule, "paper"),
            Url = Text(schedule, "url"),
            Summary = Text(schedule, "summary"),
            Hypers = [.. Items(schedule, "hypers").Select(ReadHyper)],
        };

    private static RuleSchema ReadRule(JsonElement rule) =>
        new()
        {
            Name = Text(rule, "name"),
            Title = Text(rule, "title"),
            Paper = Text(rule, "paper"),
            Url = Text(rule, "url"),
            Summary = Text(rule, "summary"),
            Shape = Word<RuleShape>(rule, "shape"),
            Needs = Texts(rule, "needs"),
            Reach = Word<RuleReach>(rule, "reach"),
            Cost = ReadCost(rule.GetProperty("cost")),
            Aliases = [.. Items(rule, "aliases").Select(ReadAlias)],
            Hypers = [.. Items(rule, "hypers").Select(ReadHyper)],
            Slots = [.. Items(rule, "slots").Select(ReadSlot)],
        };

    private static RuleAlias ReadAlias(JsonElement alias) =>
        new(
            Text(alias, "name"),
            alias.GetProperty("hypers").EnumerateObject().ToDictionary(hyper => hyper.Name, hyper => hyper.Value.GetDouble())
        );

    private static StepCost ReadCost(JsonElement cost) =>
        new(
            cost.GetProperty("vector").GetDouble(),
            cost.GetProperty("matrix").GetDouble(),
            cost.GetProperty("vector_state").GetDouble(),
            cost.GetProperty("matrix_state").GetDouble()
        );

    private static HyperSchema ReadHyper(JsonElement hyper) =>
        new()
        {
            Name = Text(hyper, "name"),
            Default = Number(hyper, "default", double.NaN),
            Minimum = Number(hyper, "minimum", double.NegativeInfinity),
            Maximum = Number(hyper, "maximum", double.PositiveInfinity),
            MinimumOpen = hyper.GetProperty("minimum_open").GetBoolean(),
            MaximumOpen = hyper.GetProperty("maximum_open").GetBoolean(),
            Kind = Text(hyper, "kind") == "integer" ? HyperKind.Whole : Word<HyperKind>(hyper, "kind"),
            Words = Texts(hyper, "words"),
            Variadic = hyper.GetProperty("variadic").GetBoolean(),
            Spellings = Texts(hyper, "spellings"),
            Like = hyper.GetProperty("like").GetString(),
            Doc = Text(hyper, "doc"),
        };

    private static SlotSchema ReadSlot(JsonElement slot) =>
        new()
        {
            Name = Text(slot, "name"),
            Shape = Word<SlotShape>(slot, "shape"),
            Initial = Scalar(slot, "initial"),
            Role = Text(slot, "role") is "none" ? "" : Text(slot, "role"),
            When = Text(slot, "when"),
            WhenWords = Texts(slot, "when_words"),
            Doc = Text(slot, "doc"),
        };

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";

    private static string Scalar(JsonElement element, string name) =>
        !element.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? ""
        : value.ValueKind == JsonValueKind.String ? value.GetString()!
        : value.GetRawText();

    private static string[] Texts(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Select(item => item.GetString() ?? "")]
            : [];

    private static double Number(JsonElement element, string name, double otherwise) =>
        element.GetProperty(name) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : otherwise;

    private static T Word<T>(JsonElement element, string name)
        where T : struct, Enum
    {
        var text = Text(element, name);
        return Enum.TryParse<T>(text, ignoreCase: true, out var value)
            ? value
            : throw new FormatException($"\"{text}\" is no {name}; known are {string.Join(", ", Enum.GetNames<T>())}.");
    }
}
