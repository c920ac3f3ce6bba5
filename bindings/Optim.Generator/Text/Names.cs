using System.Globalization;

namespace Optim.Generator.Text;

/// <summary>Turns names of the C ABI and of schemas into names of C#.</summary>
internal static class Names
{
    public const string Prefix = "optim_";

    /// <summary>Abbreviations that C# spells out.</summary>
    private static readonly Dictionary<string, string> s_words = new() { ["lr"] = "LearningRate", ["eps"] = "Epsilon" };

    public static string WithoutPrefix(string name) =>
        name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) ? name[Prefix.Length..] : name;

    /// <summary>weight_decay becomes WeightDecay, lr LearningRate, 1-sqrt OneMinusSqrt.</summary>
    public static string Pascal(string name) =>
        string.Concat(
            name.Replace("1-", "one-minus-", StringComparison.Ordinal)
                .Split(['_', '-', ' '], StringSplitOptions.RemoveEmptyEntries)
                .Select(word => s_words.GetValueOrDefault(word, char.ToUpperInvariant(word[0]) + word[1..]))
        );

    /// <summary>max_norm becomes maxNorm; a keyword is escaped.</summary>
    public static string Camel(string name)
    {
        var pascal = Pascal(name);
        var camel = char.ToLowerInvariant(pascal[0]) + pascal[1..];
        return camel is "params" ? "@" + camel : camel;
    }

    /// <summary>The class of a rule: its title where that is its name in proper spelling.</summary>
    public static string Class(RuleSchema rule)
    {
        var title = string.Concat(rule.Title.Where(char.IsAsciiLetterOrDigit));
        return title.Equals(rule.Name.Replace("_", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase)
            ? char.ToUpperInvariant(title[0]) + title[1..]
            : Pascal(rule.Name);
    }

    /// <summary>The class of a schedule.</summary>
    public static string Class(ScheduleSchema schedule) =>
        Pascal(
            schedule.Name.EndsWith("_schedule", StringComparison.Ordinal) ? schedule.Name : schedule.Name + "_schedule"
        );

    /// <summary>A number as C# writes it.</summary>
    public static string Literal(double value) =>
        value switch
        {
            double.PositiveInfinity => "double.PositiveInfinity",
            double.NegativeInfinity => "double.NegativeInfinity",
            double.NaN => "double.NaN",
            _ => value
                .ToString("R", CultureInfo.InvariantCulture)
                .Replace("E-0", "e-", StringComparison.Ordinal)
                .Replace('E', 'e'),
        };
}
