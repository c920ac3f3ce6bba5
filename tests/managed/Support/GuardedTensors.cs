using System.Runtime.CompilerServices;

namespace Optim.Tests.Support;

/// <summary>Tensors over guarded memory.</summary>
internal sealed class GuardedTensors(Engine engine, bool atEnd)
{
    private readonly ConditionalWeakTable<Tensor, GuardedMemory> _memory = [];
    private int _seed;

    public Engine Engine => engine;

    /// <summary>A tensor with numbers other than 0.</summary>
    public Tensor Make(DType dtype, params long[] shape)
    {
        var count = shape.Aggregate(1L, (product, size) => product * size);
        var memory = new GuardedMemory(count * dtype.Size(), atEnd);
        var tensor = Tensor.Borrow(count > 0 ? memory.Pointer : 0, dtype, shape, engine, memory);
        _memory.Add(tensor, memory);
        tensor.CopyFromDoubles([.. Enumerable.Range(_seed++, (int)count).Select(i => (((37 * i) % 63) - 31.5) / 32)]);
        return tensor;
    }

    public Tensor Like(Tensor other) => Make(other.DType, other.Shape.ToArray());

    /// <summary>Moves a tensor, and frees where it was.</summary>
    public void Move(Tensor tensor)
    {
        Assert.True(_memory.TryGetValue(tensor, out var former));
        var memory = new GuardedMemory(tensor.ByteLength, atEnd);
        var values = tensor.ToDoubles();
        tensor.Rebind(memory.Pointer, memory);
        tensor.CopyFromDoubles(values);
        _memory.AddOrUpdate(tensor, memory);
        former.Dispose();
    }

    /// <summary>Frees the memory of tensors under their users: first the owner, then the view.</summary>
    public void Free(params IEnumerable<Tensor> tensors)
    {
        foreach (var tensor in tensors)
        {
            Assert.True(_memory.TryGetValue(tensor, out var memory));
            memory.Dispose();
            tensor.Dispose();
        }
    }
}
