using System.Diagnostics.CodeAnalysis;
using Optim.Interop;

namespace Optim;

/// <summary>All rules and learning-rate schedules of the loaded native library.</summary>
public static class Catalogue
{
    private static readonly Lazy<SchemaDocument> s_schema = new(Read);

    /// <summary>The rules, sorted by name.</summary>
    public static IReadOnlyList<RuleSchema> Rules => s_schema.Value.Rules;

    /// <summary>The schedules, sorted by name.</summary>
    public static IReadOnlyList<ScheduleSchema> Schedules => s_schema.Value.Schedules;

    /// <summary>Version of the native library, "major.minor.patch".</summary>
    public static unsafe string LibraryVersion => NativeText.Read(NativeMethods.Version());

    /// <summary>The rule of a name, in any usual spelling: "adamw", "AdamW" and "adam_w" are one.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static RuleSchema Find(string name) => Find(Rules, "rule", name);

    /// <summary>The rule of a name, in any usual spelling, if there is one.</summary>
    public static bool TryFind(string? name, [NotNullWhen(true)] out RuleSchema? rule) => (rule = Named(Rules, name)) is not null;

    /// <summary>The rule of a name, or that of an alias with the alias's values as defaults.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    internal static RuleSchema Resolve(string name)
    {
        foreach (var rule in Rules)
        {
            if (rule.Aliases.FirstOrDefault(alias => Spelling.Equal(alias.Name, name)) is { } alias)
            {
                return rule with
                {
                    Hypers = [.. rule.Hypers.Select(h => h with { Default = alias.Hypers.GetValueOrDefault(h.Name, h.Default) })],
                };
            }
        }

        return Find(name);
    }

    /// <summary>The schedule of a name, in any usual spelling.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static ScheduleSchema FindSchedule(string name) => Find(Schedules, "schedule", name);

    /// <summary>The schedule of a name, in any usual spelling, if there is one.</summary>
    public static bool TryFindSchedule(string? name, [NotNullWhen(true)] out ScheduleSchema? schedule) =>
        (schedule = Named(Schedules, name)) is not null;

    private static T Find<T>(IReadOnlyList<T> entries, string kind, string name)
        where T : CatalogueEntry
    {
        ArgumentNullException.ThrowIfNull(name);
        return Named(entries, name)
            ?? throw new ArgumentException(
                $"There is no {kind} \"{name}\"; the library has {string.Join(", ", entries.Select(entry => entry.Name))}.",
                nameof(name)
            );
    }

    private static T? Named<T>(IReadOnlyList<T> entries, string? name)
        where T : CatalogueEntry =>
        entries.FirstOrDefault(entry => Spelling.Equal(entry.Name, name) || Spelling.Equal(entry.Title, name));

    private static unsafe SchemaDocument Read() =>
        SchemaReader.Read(NativeText.Read(NativeMethods.SchemaJson()));
}
