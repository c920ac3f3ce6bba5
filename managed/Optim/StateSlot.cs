namespace Optim;

/// <summary>Where one state of one parameter lies in the memory of an optimizer's states.</summary>
internal sealed record StateSlot(
    int Parameter,
    string Key,
    string Name,
    DType DType,
    long[] Shape,
    long Offset,
    long Bytes
);
