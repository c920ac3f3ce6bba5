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
        var names = new HashSet<string>();
        for (var i = 0; i < parameters.Length; i++)
        {
            var parameter = parameters[i];
            if (!seen.Add(parameter))
            {
                throw new ArgumentException($"Parameter {Key(parameters, i)} appears twice.", nameof(groups));
            }

            if (!names.Add(Key(parameters, i)))
            {
                throw new ArgumentException($"Two parameters are named \"{Key(parameters, i)}\".", nameof(groups));
            }

            if (parameter.Value.Engine.Device != engine.Device)
            {
                throw new ArgumentException(
                    $"Parameter {Key(parameters, i)} is on {parameter.Value.Engine.Device}, "
                        + $"the optimizer on {engine.Device}.",
                    nameof(groups)
                );
            }
        }

        return parameters;
    }

    /// <summary>What a parameter is called in state dictionaries.</summary>
    public static string Key(IReadOnlyList<Parameter> parameters, int index) =>
        parameters[index].Name ?? index.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
