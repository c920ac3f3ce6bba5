namespace Optim.Generator.Header;

/// <summary>A function and its return type as C spells it.</summary>
internal sealed record CFunction(string Name, string Returns, string Doc, IReadOnlyList<CParameter> Parameters);
