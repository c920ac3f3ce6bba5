namespace Optim.Generator.Header;

/// <summary>A parameter of a function, of a type as C spells it.</summary>
internal sealed record CParameter(string Name, string Type);
