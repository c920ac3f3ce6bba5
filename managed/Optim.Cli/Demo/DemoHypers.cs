using System.Text.Json;

namespace Optim.Cli.Demo;

/// <summary>The hyper-parameters of the demo: a table of data (hyperparameters.json); what it leaves out takes the
/// rule's default.</summary>
internal sealed class DemoHypers
{
    private const string Resource = "hyperparameters.json";

    private readonly Table _table;

    private DemoHypers(Table table) => _table = table;

    public IReadOnlyCollection<string> Rules => _table.Rules.Keys;

    public static DemoHypers Load()
    {
        using Stream json =
            typeof(DemoHypers).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidDataException($"the program lacks its resource '{Resource}'");
        return new DemoHypers(JsonSerializer.Deserialize<Table>(json, JsonSerializerOptions.Web)!);
    }

    /// <summary>The values that differ from the rule's defaults in a training of so many steps; for a rule without an entry,
    /// the generic ones that it knows.</summary>
    public IReadOnlyDictionary<string, double> For(RuleSchema rule, int steps)
    {
        IEnumerable<KeyValuePair<string, JsonElement>> values = _table.Rules.TryGetValue(rule.Name, out var own)
            ? own
            : _table.Generic.Where(value => rule.Hypers.Any(hyper => hyper.Name == value.Key));
        Dictionary<string, double> hypers = values.ToDictionary(
            value => value.Key,
            value => rule.Hypers[rule.IndexOf(value.Key)].Parse(value.Value.ToString()));
        return RunLength.AddTo(hypers, rule, steps);
    }

    private sealed record Table(
        Dictionary<string, JsonElement> Generic,
        Dictionary<string, Dictionary<string, JsonElement>> Rules);
}
