using Optim.Interop;

namespace Optim;

/// <summary>All states of an optimizer in one buffer.</summary>
internal sealed unsafe class StateMemory : IDisposable
{
    private const long Alignment = 64; // a cache line, and more than any vector access needs

    private readonly Engine _engine;
    private readonly BufferHandle? _buffer;

    public StateMemory(PlanHandle plan, Engine engine, IReadOnlyList<Parameter> parameters)
    {
        _engine = engine;
        var slots = new List<StateSlot>();
        long end = 0;
        for (var i = 0; i < parameters.Count; i++)
        {
            long count;
            NativeStatus.Check(NativeMethods.PlanSlotCount(plan, i, &count));
            for (var j = 0L; j < count; j++)
            {
                var native = new NativeSlot { Size = (ulong)sizeof(NativeSlot) };
                NativeStatus.Check(NativeMethods.PlanSlot(plan, i, j, &native));
                var slot = Describe(native, i, ParameterList.Key(parameters, i), end);
                slots.Add(slot);
                end = (slot.Offset + slot.Bytes + Alignment - 1) / Alignment * Alignment;
            }
        }

        Slots = slots;
        ByteLength = end;
        _buffer = engine.Allocate((ulong)end);
        plan.Keep(1, _buffer);
        Pointers = [.. slots.Select(slot => slot.Bytes > 0 ? _buffer!.Pointer + (nint)slot.Offset : 0)];
    }

    /// <summary>The slots of parameter 0, then of parameter 1, ..., as they are bound.</summary>
    public IReadOnlyList<StateSlot> Slots { get; }

    /// <summary>Addresses of the slots.</summary>
    public nint[] Pointers { get; }

    /// <summary>What must be kept for as long as the addresses are used.</summary>
    public object? Owner => _buffer;

    /// <summary>Bytes of the buffer.</summary>
    public long ByteLength { get; }

    /// <summary>The slot as a tensor.</summary>
    public Tensor View(StateSlot slot) =>
        Tensor.Borrow(
            slot.Bytes > 0 ? _buffer!.Pointer + (nint)slot.Offset : 0,
            slot.DType,
            slot.Shape,
            _engine,
            _buffer
        );

    /// <summary>Copies part of one slot to the host.</summary>
    public void Read(StateSlot slot, long offset, Span<byte> destination)
    {
        if (destination.IsEmpty)
        {
            return;
        }

        fixed (byte* bytes = destination)
        {
            _engine.Copy(bytes, (void*)(_buffer!.Pointer + (nint)(slot.Offset + offset)), destination.Length);
        }
    }

    /// <summary>Replaces part of one slot.</summary>
    public void Write(StateSlot slot, long offset, ReadOnlySpan<byte> source)
    {
        fixed (byte* bytes = source)
        {
            _engine.Copy((void*)(_buffer!.Pointer + (nint)(slot.Offset + offset)), bytes, source.Length);
        }
    }

    /// <summary>Whether the host can write the buffer itself.</summary>
    public bool IsOnHost => _engine.Device.Type == DeviceType.Cpu;

    /// <summary>Part of one slot, where it is.</summary>
    public Span<byte> HostBytes(StateSlot slot, long offset, int length) =>
        new((void*)(_buffer!.Pointer + (nint)(slot.Offset + offset)), length);

    public void Dispose() => _buffer?.Dispose();

    private static StateSlot Describe(in NativeSlot native, int parameter, string parameterKey, long offset)
    {
        var name = NativeText.Read(native.Name);
        var shape = new long[native.Rank];
        for (var i = 0; i < shape.Length; i++)
        {
            shape[i] = native.Shape[i];
        }

        return new StateSlot(
            parameter,
            $"state.{parameterKey}.{name}",
            name,
            (DType)native.Dtype,
            shape,
            offset,
            checked((long)native.Bytes)
        );
    }
}
