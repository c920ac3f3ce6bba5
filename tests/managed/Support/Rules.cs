namespace Optim.Tests.Support;

/// <summary>Test data: every rule of the catalogue that steps with gradients alone.</summary>
public sealed class Rules : TheoryData<string>
{
    public Rules()
    {
        foreach (var rule in Catalogue.Rules.Where(rule => rule.Needs.Count == 0))
        {
            Add(rule.Name);
        }
    }
}
