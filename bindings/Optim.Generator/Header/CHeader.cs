namespace Optim.Generator.Header;

/// <summary>What a C header declares, in its order.</summary>
internal sealed record CHeader(
    IReadOnlyList<CConstant> Constants,
    IReadOnlyList<CStruct> Structs,
    IReadOnlyList<CFunction> Functions
);
