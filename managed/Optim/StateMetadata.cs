using System.Text.Json.Nodes;

namespace Optim;

/// <summary>What a state says about the optimizer it is of: the rule and the helpers, per group the
/// hyper-parameters, per parameter the name, shape, type and step counts.</summary>
internal static class StateMetadata
{
    public const string Format = "optim-checkpoint-1";

    private const string Step = "step";
    private const string InputStep = "input_step";
    private const string Stepped = "stepped";

    public static void Write(Optimizer optimizer, Dictionary<string, string> metadata)
    {
        metadata["format"] = Format;
        metadata["rule"] = optimizer.RuleName;
        metadata["helpers"] = Helpers(optimizer).ToJsonString();
        metadata["groups"] = Groups(optimizer).ToJsonString();
        metadata["parameters"] = Parameters(optimizer).ToJsonString();
    }

    /// <summary>Checks that the state is of this rule, with these groups and parameters, and reads hyper-parameters and
    /// counts.</summary>
    /// <param name="optimizer">The optimizer that is to be restored.</param>
    /// <param name="metadata">Of the state.</param>
    /// <param name="anyHelpers">Helpers may have other settings.</param>
    public static GroupState Read(
        Optimizer optimizer,
        IReadOnlyDictionary<string, string> metadata,
        bool anyHelpers
    )
    {
        CheckEqual("format", JsonFields.Text(metadata, "format"), Format);
        CheckEqual("rule", JsonFields.Text(metadata, "rule"), optimizer.RuleName);
        if (!anyHelpers)
        {
            CheckHelpers(optimizer, JsonFields.ParseObject(metadata, "helpers"));
        }

        var counts = ReadParameters(optimizer, JsonFields.ParseArray(metadata, "parameters"));
        var groups = JsonFields.ParseArray(metadata, "groups");
        if (groups.Count != optimizer.Groups.Count)
        {
            throw new OptimException($"The state has {groups.Count} groups, the optimizer {optimizer.Groups.Count}.");
        }

        return new GroupState([.. groups.Select((group, i) => ReadGroup(optimizer, group, i))], counts);
    }

    /// <summary>Those that are on. What later versions add is off in older files.</summary>
    private static JsonObject Helpers(Optimizer optimizer)
    {
        var helpers = new JsonObject();
        foreach (var (name, value) in optimizer.Helpers.ToNumbers().Where(pair => pair.Value != 0))
        {
            helpers[name] = JsonFields.Of(value);
        }

        return helpers;
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
                hypers[hyper.Name] = JsonFields.Of(group[hyper.Name]);
            }

            groups.Add((JsonNode)new JsonObject { ["parameters"] = group.Parameters.Count, ["hypers"] = hypers });
        }

        return groups;
    }

    private static JsonArray Parameters(Optimizer optimizer)
    {
        var parameters = new JsonArray();
        var counts = optimizer.ReadStepCounts();
        var keys = ParameterNames.Keys(optimizer.Parameters);
        for (var i = 0; i < counts.Length; i++)
        {
            var description = Describe(optimizer.Parameters[i].Value, keys[i]);
            description[Step] = counts[i].Steps;
            if (optimizer.Rule.Needs.Count > 0)
            {
                description[InputStep] = counts[i].InputSteps;
            }

            description[Stepped] = counts[i].Stepped;
            parameters.Add((JsonNode)description);
        }

        return parameters;
    }

    /// <summary>The elements of a state lie as those of its parameter do: "order" tells how where that is not row by
    /// row.</summary>
    private static JsonObject Describe(Tensor tensor, string key)
    {
        var description = new JsonObject
        {
            ["name"] = key,
            ["shape"] = Numbers(tensor.Shape),
            ["dtype"] = tensor.DType.ToSafeTensorType().Code(),
        };
        var order = tensor.Layout.Order();
        if (!order.SequenceEqual(order.Order()))
        {
            description["order"] = Numbers(order);
        }

        return description;
    }

    private static StepCounts[] ReadParameters(Optimizer optimizer, JsonArray stored)
    {
        if (stored.Count != optimizer.Parameters.Count)
        {
            throw new OptimException(
                $"The state has {stored.Count} parameters, the optimizer {optimizer.Parameters.Count}."
            );
        }

        var counts = new StepCounts[stored.Count];
        var keys = ParameterNames.Keys(optimizer.Parameters);
        for (var i = 0; i < counts.Length; i++)
        {
            var parameter = JsonFields.Object(stored[i], $"parameters[{i}]");
            counts[i] = ReadCounts(optimizer.Rule, parameter, $"parameters[{i}]");
            var own = Describe(optimizer.Parameters[i].Value, keys[i]);
            if (!JsonNode.DeepEquals(parameter, own))
            {
                throw new OptimException(
                    $"Parameter {i} is {parameter.ToJsonString()} in the state, {own.ToJsonString()} in the optimizer."
                );
            }
        }

        return counts;
    }

    /// <summary>Takes the counts out of what describes a parameter.</summary>
    private static StepCounts ReadCounts(RuleSchema rule, JsonObject parameter, string what)
    {
        var counts = new StepCounts(
            JsonFields.Count(parameter[Step], $"{what}.{Step}"),
            rule.Needs.Count == 0 ? 0 : JsonFields.Count(parameter[InputStep], $"{what}.{InputStep}"),
            JsonFields.Flag(parameter[Stepped], $"{what}.{Stepped}")
        );
        foreach (var name in new[] { Step, InputStep, Stepped })
        {
            parameter.Remove(name);
        }

        return counts;
    }

    private static double[] ReadGroup(Optimizer optimizer, JsonNode? node, int index)
    {
        var what = $"groups[{index}]";
        var group = JsonFields.Object(node, what);
        var parameters = JsonFields.Number(group["parameters"], $"{what}.parameters");
        if (parameters != optimizer.Groups[index].Parameters.Count)
        {
            throw new OptimException(
                $"Group {index} has {parameters} parameters in the state, "
                    + $"{optimizer.Groups[index].Parameters.Count} in the optimizer."
            );
        }

        return ReadHypers(optimizer.Rule, JsonFields.Object(group["hypers"], $"{what}.hypers"), what);
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
                var value = JsonFields.Number(hypers[hyper.Name], $"{what}.hypers.{hyper.Name}");
                return hyper.Allows(value)
                    ? value
                    : throw new OptimException($"{what}: {hyper.Name} = {value:R} is not {hyper.Allowed}.");
            }),
        ];
    }

    private static void CheckHelpers(Optimizer optimizer, JsonObject stored)
    {
        var own = optimizer.Helpers.ToNumbers();
        foreach (var name in stored.Select(pair => pair.Key).Where(name => !own.ContainsKey(name)))
        {
            throw new OptimException($"The state was made with a helper setting \"{name}\", which this library lacks.");
        }

        foreach (var (name, value) in own)
        {
            var before = stored.ContainsKey(name) ? JsonFields.Number(stored[name], $"helpers.{name}") : 0;
            if (!before.Equals(value))
            {
                throw new OptimException(
                    $"The state was made with the helper setting {name} = {before:R}, the optimizer with {value:R}; "
                        + $"{nameof(Checkpoint)}.{nameof(Checkpoint.AcceptOtherSettings)} allows that."
                );
            }
        }
    }

    private static JsonArray Numbers(ReadOnlySpan<long> values)
    {
        var numbers = new JsonArray();
        foreach (var value in values)
        {
            numbers.Add((JsonNode)value);
        }

        return numbers;
    }

    private static void CheckEqual(string key, string stored, string own)
    {
        if (stored != own)
        {
            throw new OptimException($"The state is of {key} \"{stored}\"; this optimizer takes \"{own}\".");
        }
    }
}
