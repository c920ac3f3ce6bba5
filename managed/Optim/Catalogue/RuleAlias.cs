namespace Optim;

/// <summary>A name under which the literature knows a rule with one of its options switched on.</summary>
internal sealed record RuleAlias(string Name, string Rule, string Option)
{
    private static readonly RuleAlias[] s_all =
    [
        new("amsgrad", "adam", "ams_bound"), // Reddi et al. 2018, openreview ryQu7f-RZ
        new("adamd", "adam", "adam_debias"), // arXiv 2110.10828
    ];

    /// <summary>The rule of a name or an alias, and the option that the alias switches on.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static (RuleSchema Rule, string? Option) Resolve(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Array.Find(s_all, alias => Spelling.Equal(alias.Name, name)) is { } alias
            ? (Catalogue.Find(alias.Rule), alias.Option)
            : (Catalogue.Find(name), null);
    }
}
