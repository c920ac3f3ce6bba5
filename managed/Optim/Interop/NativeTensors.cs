using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Optim.Interop;

/// <summary>A list of tensors as the C ABI takes it. Disposing it ends the time in which the tensors are kept
/// alive.</summary>
internal readonly unsafe ref struct NativeTensors
{
    private readonly ReadOnlySpan<Tensor> _tensors;
    private readonly NativeTensor[] _pinned;

    public NativeTensors(ReadOnlySpan<Tensor> tensors, string parameterName)
    {
        _tensors = tensors;
        _pinned = GC.AllocateUninitializedArray<NativeTensor>(tensors.Length, pinned: true);
        for (var i = 0; i < _pinned.Length; i++)
        {
            ArgumentNullException.ThrowIfNull(tensors[i], $"{parameterName}[{i}]");
            _pinned[i] = tensors[i].ToNative();
        }
    }

    public NativeTensor* Pointer => (NativeTensor*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_pinned));

    public long Count => _pinned.Length;

    public void Dispose()
    {
        foreach (var tensor in _tensors)
        {
            GC.KeepAlive(tensor);
        }

        GC.KeepAlive(_pinned);
    }
}
