namespace Optim.Generator.Header;

/// <summary>A struct; opaque when the header only names it.</summary>
internal sealed record CStruct(string Name, string Doc, bool Opaque, IReadOnlyList<CField> Fields);
