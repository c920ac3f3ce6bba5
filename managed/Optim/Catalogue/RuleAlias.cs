namespace Optim;

/// <summary>A name under which the literature knows a rule with other values of some hyper-parameters.</summary>
/// <param name="Name">Its usual spelling.</param>
/// <param name="Hypers">Those values, by the names of the rule's schema.</param>
public sealed record RuleAlias(string Name, IReadOnlyDictionary<string, double> Hypers);
