using System.Globalization;

namespace Optim;

/// <summary>What parameters are called in messages and in state dictionaries.</summary>
internal static class ParameterNames
{
    /// <summary>Its name; its index if it has none.</summary>
    public static string Of(IReadOnlyList<Parameter> parameters, int index) => parameters[index].Name ?? Text(index);

    /// <summary>A name of its own for each parameter: those that share theirs with another have their index added, so that
    /// equal lists of parameters give equal names.</summary>
    public static string[] Keys(IReadOnlyList<Parameter> parameters)
    {
        var names = Enumerable.Range(0, parameters.Count).Select(i => Of(parameters, i)).ToArray();
        var counts = names.GroupBy(name => name).ToDictionary(group => group.Key, group => group.Count());
        var taken = counts.Keys.ToHashSet();
        for (var i = 0; i < names.Length; i++)
        {
            if (counts[names[i]] > 1)
            {
                names[i] = Free($"{names[i]}#{Text(i)}", taken);
            }
        }

        return names;
    }

    private static string Free(string name, HashSet<string> taken)
    {
        while (!taken.Add(name))
        {
            name += '#';
        }

        return name;
    }

    private static string Text(int index) => index.ToString(CultureInfo.InvariantCulture);
}
