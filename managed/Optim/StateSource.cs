namespace Optim;

/// <summary>The live states of an optimizer as named tensors.</summary>
internal sealed class StateSource(IReadOnlyDictionary<string, string> metadata, StateMemory states) : ITensorSource
{
    private readonly Dictionary<string, StateSlot> _slots = states.Slots.ToDictionary(slot => slot.Key);

    public IReadOnlyDictionary<string, string> Metadata => metadata;

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } =
        states.Slots.ToDictionary(
            slot => slot.Key,
            slot => new TensorInfo(slot.Key, slot.DType.ToSafeTensorType(), slot.Shape)
        );

    public void Read(string name, long offset, Span<byte> destination) =>
        states.Read(_slots[name], offset, destination);
}
