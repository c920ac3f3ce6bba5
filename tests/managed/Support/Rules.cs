namespace Optim.Tests.Support;

/// <summary>Test data: every rule of the catalogue.</summary>
public sealed class Rules : TheoryData<string>
{
    public Rules()
    {
        foreach (var rule in Catalogue.Rules)
        {
            Add(rule.Name);
        }
    }
}
