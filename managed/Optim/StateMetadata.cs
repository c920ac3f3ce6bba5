using System.Text.Json;
using System.Text.Json.Nodes;

namespace Optim;

/// <summary>What a state dictionary says about itself: the rule, and per group the step counts and hyper-parameters;
/// per parameter the name and shape.</summary>
internal static class StateMetadata
{
    public const string Format = "optim-state-1";

    private const string InputStep = "input_step";

    public static IReadOnlyDictionary<string, string> Write(Optimizer optimizer) =>
        new Dictionary<string, string>
        {
            ["format"] = Format,
            ["rule"] = optimizer.RuleName,
            ["groups"] = Groups(optimizer).ToJsonString(),
            ["parameters"] = Parameters(optimizer).ToJsonString(),
        };

    /// <summary>Checks that the state is of the same rule, groups and parameters, and reads the groups'
    /// values.</summary>
    public static IReadOnlyList<GroupState> Read(Optimizer optimizer, IReadOnlyDictionary<string, string> metadata)
    {
        try
        {
            return ReadChecked(optimizer, metadata);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            // InvalidOperationException: a string that is no valid UTF-16; ArgumentException: a name that appears
            // twice.
            throw new OptimException($"The metadata of the state is no sound JSON: {exception.Message}", exception);
        }
    }

    private static GroupState[] ReadChecked(Optimizer optimizer, IReadOnlyDictionary<string, string> metadata)
    {
        CheckEqual("format", Text(metadata, "format"), Format);
        CheckEqual("rule", Text(metadata, "rule"), optimizer.RuleName);
        CheckParameters(Parse(metadata, "parameters"), Parameters(optimizer));
        var groups = Parse(metadata, "groups");
        if (groups.Count != optimizer.Groups.Count)
        {
            throw new OptimException($"The state has {groups.Count} groups, the optimizer {optimizer.Groups.Count}.");
        }

        return [.. groups.Select((group, i) => ReadGroup(optimizer, group, i))];
    }

    private static JsonArray Groups(Optimizer optimizer)
    {
        var groups = new JsonArray();
        for (var i = 0; i < optimizer.Groups.Count; i++)
        {
            var group = optimizer.Groups[i];
            var hypers = new JsonObject();
            foreach (var hyper in optimizer.Rule.Hypers)
            {
                var value = group[hyper.Name];
                hypers[hyper.Name] = double.IsFinite(value) ? JsonValue.Create(value) : JsonValue.Create(Named(value));
            }

            var description = new JsonObject { ["step"] = optimizer.StepCount(i) };
            if (optimizer.Rule.Needs.Count > 0)
            {
                description[InputStep] = optimizer.InputStepCount(i);
            }

            description["parameters"] = group.Parameters.Count;
            description["hypers"] = hypers;
            groups.Add((JsonNode)description);
        }

        return groups;
    }

    private static JsonArray Parameters(Optimizer optimizer)
    {
        var parameters = new JsonArray();
        for (var i = 0; i < optimizer.Parameters.Count; i++)
        {
            var shape = new JsonArray();
            foreach (var size in optimizer.Parameters[i].Value.Shape)
            {
                shape.Add((JsonNode)size);
            }

            parameters.Add(
                (JsonNode)new JsonObject { ["name"] = ParameterList.Key(optimizer.Parameters, i), ["shape"] = shape }
            );
        }

        return parameters;
    }

    private static GroupState ReadGroup(Optimizer optimizer, JsonNode? node, int index)
    {
        var what = $"groups[{index}]";
        var group = node as JsonObject ?? throw new OptimException($"{what} of the state is no JSON object.");
        var parameters = Number(group["parameters"], $"{what}.parameters");
        if (parameters != optimizer.Groups[index].Parameters.Count)
        {
            throw new OptimException(
                $"Group {index} has {parameters} parameters in the state, "
                    + $"{optimizer.Groups[index].Parameters.Count} in the optimizer."
            );
        }

        var step = Count(group["step"], $"{what}.step");
        // A file without it is older than rules with inputs that come and go: they came at every step.
        var inputStep =
            optimizer.Rule.Needs.Count == 0 ? 0
            : group.ContainsKey(InputStep) ? Count(group[InputStep], $"{what}.{InputStep}")
            : step;
        var hypers =
            group["hypers"] as JsonObject ?? throw new OptimException($"{what}.hypers of the state is no JSON object.");
        return new GroupState(step, inputStep, ReadHypers(optimizer.Rule, hypers, what));
    }

    private static double[] ReadHypers(RuleSchema rule, JsonObject hypers, string what)
    {
        foreach (var (name, _) in hypers)
        {
            if (!rule.Hypers.Any(hyper => hyper.Name == name))
            {
                throw new OptimException(
                    $"{what} has a hyper-parameter \"{name}\"; "
                        + $"{rule.Name} has {string.Join(", ", rule.Hypers.Select(h => h.Name))}."
                );
            }
        }

        return
        [
            .. rule.Hypers.Select(hyper =>
            {
                var value = Number(hypers[hyper.Name], $"{what}.hypers.{hyper.Name}");
                return hyper.Allows(value)
                    ? value
                    : throw new OptimException($"{what}: {hyper.Name} = {value:R} is not {hyper.Allowed}.");
            }),
        ];
    }

    private static void CheckParameters(JsonArray stored, JsonArray own)
    {
        if (stored.Count != own.Count)
        {
            throw new OptimException($"The state has {stored.Count} parameters, the optimizer {own.Count}.");
        }

        for (var i = 0; i < own.Count; i++)
        {
            if (!JsonNode.DeepEquals(stored[i], own[i]))
            {
                throw new OptimException(
                    $"Parameter {i} is {stored[i]?.ToJsonString()} in the state, "
                        + $"{own[i]!.ToJsonString()} in the optimizer."
                );
            }
        }
    }

    private static JsonArray Parse(IReadOnlyDictionary<string, string> metadata, string key) =>
        JsonNode.Parse(Text(metadata, key)) as JsonArray
        ?? throw new OptimException($"\"{key}\" in the metadata of the state is no JSON array.");

    private static string Text(IReadOnlyDictionary<string, string> metadata, string key) =>
        metadata.TryGetValue(key, out var text)
            ? text
            : throw new OptimException($"The metadata of the state has no \"{key}\"; it is no state of an optimizer.");

    private static void CheckEqual(string key, string stored, string own)
    {
        if (stored != own)
        {
            throw new OptimException($"The state is of {key} \"{stored}\"; this optimizer takes \"{own}\".");
        }
    }

    private static long Count(JsonNode? node, string what)
    {
        var count = Number(node, what);
        return count >= 0 && count <= 1L << 53 && count == Math.Floor(count)
            ? (long)count
            : throw new OptimException($"{what} = {count:R} is not a whole number >= 0.");
    }

    private static double Number(JsonNode? node, string what)
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

        throw new OptimException($"{what} of the state is {node?.ToJsonString() ?? "missing"}, not a number.");
    }

    private static string Named(double value) =>
        double.IsNaN(value) ? "nan"
        : value > 0 ? "inf"
        : "-inf";
}
