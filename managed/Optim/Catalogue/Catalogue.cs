using System.Diagnostics.CodeAnalysis;
using Optim.Interop;

namespace Optim;

/// <summary>All rules of the loaded native library.</summary>
public static class Catalogue
{
    private static readonly Lazy<IReadOnlyList<RuleSchema>> s_rules = new(Read);

    /// <summary>The rules, sorted by name.</summary>
    public static IReadOnlyList<RuleSchema> Rules => s_rules.Value;

    /// <summary>Version of the native library, "major.minor.patch".</summary>
    public static unsafe string LibraryVersion => NativeText.Read(NativeMethods.Version());

    /// <summary>The rule of a name.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static RuleSchema Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return TryFind(name, out var rule)
            ? rule
            : throw new ArgumentException(
                $"There is no rule \"{name}\"; the library has {string.Join(", ", Rules.Select(r => r.Name))}.",
                nameof(name)
            );
    }

    /// <summary>The rule of a name, if there is one.</summary>
    public static bool TryFind(string? name, [NotNullWhen(true)] out RuleSchema? rule)
    {
        rule = Rules.FirstOrDefault(r => r.Name == name);
        return rule is not null;
    }

    private static unsafe IReadOnlyList<RuleSchema> Read() =>
        [
            .. SchemaReader
                .Read(NativeText.Read(NativeMethods.SchemaJson()))
                .OrderBy(rule => rule.Name, StringComparer.Ordinal),
        ];
}
