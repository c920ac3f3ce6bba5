using Optim.Interop;

namespace Optim;

/// <summary>All states of an optimizer in one buffer.</summary>
internal sealed unsafe class StateMemory : IDisposable
{
    private const long Alignment = 64; // a cache line, and more than any vector access needs

    private readonly Engine _engine;
    private readonly BufferHandle? _buffer;
    private readonly Dictionary<StateSlot, Tensor> _views = new(ReferenceEqualityComparer.Instance);

    /// <summary>Memory for the states of a plan.</summary>
    /// <param name="plan">The plan, which keeps the memory.</param>
    /// <param name="engine">Where it is.</param>
    /// <param name="keys">What each parameter is called in state dictionaries.</param>
    public StateMemory(PlanHandle plan, Engine engine, IReadOnlyList<string> keys)
    {
        _engine = engine;
        var slots = new List<StateSlot>();
        long end = 0;
        for (var i = 0; i < keys.Count; i++)
        {
            long count;
            NativeStatus.Check(NativeMethods.PlanSlotCount(plan, i, &count));
            for (var j = 0L; j < count; j++)
            {
                var native = new NativeSlot { Size = (ulong)sizeof(NativeSlot) };
                NativeStatus.Check(NativeMethods.PlanSlot(plan, i, j, &native));
                var slot = Describe(native, i, keys[i], end);
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

    /// <summary>The slot as a tensor, which is disposed with the memory.</summary>
    public Tensor View(StateSlot slot)
    {
        lock (_views)
        {
            if (!_views.TryGetValue(slot, out var view) || view.IsDisposed)
            {
                var address = slot.Bytes > 0 ? _buffer!.Pointer + (nint)slot.Offset : 0;
                view = _views[slot] = Tensor.Borrow(address, slot.DType, slot.Shape, _engine, _buffer);
            }

            return view;
        }
    }

    /// <summary>Holds the memory while it is used.</summary>
    public OwnerHold Hold() => new(_buffer);

    /// <summary>Takes over the states of before that are here, too.</summary>
    public void CopyFrom(StateMemory former)
    {
        using var hold = Hold();
        using var formerHold = former.Hold();
        var slots = former.Slots.ToDictionary(slot => slot.Key);
        foreach (var slot in Slots)
        {
            var isSame =
                slots.TryGetValue(slot.Key, out var same)
                && (same.DType, same.Bytes) == (slot.DType, slot.Bytes)
                && same.Shape.AsSpan().SequenceEqual(slot.Shape);
            if (isSame && slot.Bytes > 0)
            {
                var source = former._buffer!.Pointer + (nint)same!.Offset;
                _engine.Copy((void*)(_buffer!.Pointer + (nint)slot.Offset), (void*)source, slot.Bytes);
            }
        }
    }

    /// <summary>Copies part of one slot to the host.</summary>
    public void Read(StateSlot slot, long offset, Span<byte> destination)
    {
        if (destination.IsEmpty)
        {
            return;
        }

        using var hold = Hold();
        fixed (byte* bytes = destination)
        {
            _engine.Copy(bytes, (void*)(_buffer!.Pointer + (nint)(slot.Offset + offset)), destination.Length);
        }
    }

    /// <summary>Replaces part of one slot.</summary>
    public void Write(StateSlot slot, long offset, ReadOnlySpan<byte> source)
    {
        using var hold = Hold();
        fixed (byte* bytes = source)
        {
            _engine.Copy((void*)(_buffer!.Pointer + (nint)(slot.Offset + offset)), bytes, source.Length);
        }
    }

    /// <summary>Replaces a slot of Float32 by the values of a tensor of its shape, piece by piece.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="source">The tensor.</param>
    /// <param name="onlyChanged">Leaves alone the numbers of the slot that are those of the tensor as its type rounds
    /// them.</param>
    public void WriteWidened(StateSlot slot, Tensor source, bool onlyChanged = false)
    {
        const int Piece = 1 << 18;
        using var hold = source.Hold();
        var size = source.DType.Size();
        var stored = new byte[Piece * size];
        var rounded = new byte[onlyChanged ? Piece * size : 0];
        var values = new double[Piece];
        var before = new double[onlyChanged ? Piece : 0];
        var wide = new byte[Piece * sizeof(float)];
        for (var begin = 0L; begin < source.ElementCount; begin += Piece)
        {
            var count = (int)Math.Min(Piece, source.ElementCount - begin);
            fixed (byte* bytes = stored)
            {
                _engine.Copy(bytes, (void*)(source.Pointer + (nint)(begin * size)), (long)count * size);
            }

            ElementConversion.Widen(stored, source.DType, values.AsSpan(0, count));
            if (onlyChanged)
            {
                Read(slot, begin * sizeof(float), wide.AsSpan(0, count * sizeof(float)));
                ElementConversion.Widen(wide, slot.DType, before.AsSpan(0, count));
                ElementConversion.Narrow(before.AsSpan(0, count), source.DType, rounded);
                for (var i = 0; i < count; i++)
                {
                    if (rounded.AsSpan(i * size, size).SequenceEqual(stored.AsSpan(i * size, size)))
                    {
                        values[i] = before[i];
                    }
                }
            }

            ElementConversion.Narrow(values.AsSpan(0, count), slot.DType, wide);
            Write(slot, begin * sizeof(float), wide.AsSpan(0, count * sizeof(float)));
        }
    }

    /// <summary>Whether the host can write the buffer itself.</summary>
    public bool IsOnHost => _engine.Device.Type == DeviceType.Cpu;

    /// <summary>Part of one slot, where it is; good while the memory is held.</summary>
    public Span<byte> HostBytes(StateSlot slot, long offset, int length) =>
        new((void*)(_buffer!.Pointer + (nint)(slot.Offset + offset)), length);

    public void Dispose()
    {
        lock (_views)
        {
            foreach (var view in _views.Values)
            {
                view.Dispose();
            }
        }

        _buffer?.Dispose();
    }

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
