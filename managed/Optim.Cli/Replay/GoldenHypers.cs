using System.Text.Json;

namespace Optim.Cli.Replay;

/// <summary>The hyper-parameters of a golden case by name: numbers, booleans and words.</summary>
internal sealed class GoldenHypers(string caseName, IReadOnlyDictionary<string, JsonElement> values)
{
    public bool Has(string name) => values.ContainsKey(name);

    /// <summary>A number; "inf" is one.</summary>
    public double Number(string name)
    {
        JsonElement value = Find(name);
        return value.ValueKind switch
        {
            JsonValueKind.Number => value.GetDouble(),
            JsonValueKind.String when value.GetString() == "inf" => double.PositiveInfinity,
            _ => throw Wrong(name, "a number"),
        };
    }

    public long Integer(string name) =>
        Number(name) is var number && IsInteger(number) ? (long)number : throw Wrong(name, "a whole number");

    /// <summary>A list of whole numbers.</summary>
    public long[] Integers(string name) =>
        Find(name) is { ValueKind: JsonValueKind.Array } list
        && list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && IsInteger(item.GetDouble()))
            ? [.. list.EnumerateArray().Select(item => (long)item.GetDouble())]
            : throw Wrong(name, "a list of whole numbers");

    public bool Flag(string name) =>
        Find(name).ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Wrong(name, "true or false"),
        };

    public string Word(string name) =>
        Find(name) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : throw Wrong(name, "a word");

    /// <summary>A word that names a value of <typeparamref name="T"/>, in any case.</summary>
    public T Choice<T>(string name)
        where T : struct, Enum
    {
        string[] names = Enum.GetNames<T>();
        return names.Contains(Word(name), StringComparer.OrdinalIgnoreCase)
            ? Enum.Parse<T>(Word(name), ignoreCase: true)
            : throw Wrong(name, $"one of {string.Join(", ", names.Select(value => value.ToLowerInvariant()))}");
    }

    /// <summary>The values of the hyper-parameters that pass <paramref name="belongs"/>, as the rule's schema reads
    /// them. Null stands for the default.</summary>
    public Dictionary<string, double> For(RuleSchema rule, Func<string, bool> belongs) =>
        values
            .Keys.Where(name => values[name].ValueKind != JsonValueKind.Null && belongs(name))
            .ToDictionary(name => name, name => rule.Hypers[rule.IndexOf(name)].Parse(values[name].ToString()));

    /// <summary>The values of a schedule's hyper-parameters; a list is as many values of one name. What is of the case and
    /// not of the schedule is left out.</summary>
    public IEnumerable<KeyValuePair<string, double>> For(ScheduleSchema schedule) =>
        from hyper in schedule.Hypers
        where values.ContainsKey(hyper.Name)
        let value = values[hyper.Name]
        from item in value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : new[] { value }
        select KeyValuePair.Create(hyper.Name, hyper.Parse(item.ToString()));

    private static bool IsInteger(double number) => number == Math.Floor(number) && Math.Abs(number) < 1L << 53;

    private JsonElement Find(string name) =>
        values.TryGetValue(name, out JsonElement value)
            ? value
            : throw new FormatException($"{caseName}: hyper-parameter '{name}' is missing");

    private FormatException Wrong(string name, string expected) =>
        new($"{caseName}: {name} = {Find(name)} is not {expected}");
}
