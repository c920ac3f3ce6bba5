namespace Optim.Generator.Header;

/// <summary>A member of a struct, of a type as C spells it, and the length of an array or 0.</summary>
internal sealed record CField(string Name, string Type, int Length, string Doc);
