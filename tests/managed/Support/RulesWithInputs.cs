namespace Optim.Tests.Support;

/// <summary>Test data: every rule that needs more than gradients, with the first input that it needs.</summary>
public sealed class RulesWithInputs : TheoryData<string, string>
{
    public RulesWithInputs()
    {
        foreach (var rule in Catalogue.Rules.Where(rule => rule.Needs.Count > 0))
        {
            Add(rule.Name, rule.Needs[0]);
        }
    }
}
