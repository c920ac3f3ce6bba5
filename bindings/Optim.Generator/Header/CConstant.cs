namespace Optim.Generator.Header;

/// <summary>A macro whose value is a whole number.</summary>
internal sealed record CConstant(string Name, long Value);
