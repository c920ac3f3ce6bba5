namespace Optim;

/// <summary>The parameters of all groups of an optimizer, checked to be distinct.</summary>
internal static class ParameterList
{
    public static IReadOnlyList<Parameter> Collect(Engine engine, IReadOnlyList<ParameterGroup> groups)
    {
        if (groups.Count == 0)
        {
            throw new ArgumentException("An optimizer needs at least one group.", nameof(groups));
        }

        if (groups.Contains(null!))
        {
            throw new ArgumentException("A group is null.", nameof(groups));
        }

        Parameter[] parameters = [.. groups.SelectMany(group => group.Parameters)];
        var seen = new HashSet<Parameter>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < parameters.Length; i++)
        {
            var parameter = parameters[i];
            if (!seen.Add(parameter))
            {
                throw new ArgumentException($"Parameter {ParameterNames.Of(parameters, i)} appears twice.", nameof(groups));
            }

            if (parameter.Value.Engine.Device != engine.Device)
            {
                throw new ArgumentException(
                    $"Parameter {ParameterNames.Of(parameters, i)} is on {parameter.Value.Engine.Device}, "
                        + $"the optimizer on {engine.Device}.",
                    nameof(groups)
                );
            }
        }

        foreach (var group in groups)
        {
            CheckNames(group);
        }

        return parameters;
    }

    /// <summary>Refuses parameters that share memory, which a step would change twice.</summary>
    public static void CheckApart(IReadOnlyList<Parameter> parameters)
    {
        var ranges = new List<(nint Begin, nint End, int Index)>();
        for (var i = 0; i < parameters.Count; i++)
        {
            var value = parameters[i].Value;
            if (value.ElementCount > 0 && !value.IsDisposed)
            {
                ranges.Add((value.Pointer, value.Pointer + (nint)value.ByteLength, i));
            }
        }

        ranges.Sort();
        for (var i = 1; i < ranges.Count; i++)
        {
            if (ranges[i].Begin < ranges[i - 1].End)
            {
                var (first, second) = (Math.Min(ranges[i].Index, ranges[i - 1].Index), Math.Max(ranges[i].Index, ranges[i - 1].Index));
                throw new ArgumentException(
                    $"Parameters {Describe(parameters, first)} and {Describe(parameters, second)} overlap in memory, and a step would "
                        + "change that twice. Give the optimizer one of them, or the tensor that both are part of."
                );
            }
        }
    }

    /// <summary>Groups may have parameters of equal names; within one a name must tell.</summary>
    private static void CheckNames(ParameterGroup group)
    {
        var names = new HashSet<string>();
        foreach (var parameter in group.Parameters)
        {
            if (parameter.Name is { } name && !names.Add(name))
            {
                throw new ArgumentException($"Two parameters of a group are named \"{name}\".", nameof(group));
            }
        }
    }

    private static string Describe(IReadOnlyList<Parameter> parameters, int index) =>
        parameters[index].Name is { } name ? $"{index} (\"{name}\")" : $"{index}";
}
