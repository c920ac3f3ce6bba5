using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Optim.Interop;

/// <summary>A list of tensors as the C ABI takes it. Until it is disposed their memory is held.</summary>
internal readonly unsafe ref struct NativeTensors
{
    private readonly object?[] _owners;
    private readonly NativeTensor[] _pinned;

    /// <summary>Holds the memory of tensors on the device of an engine.</summary>
    /// <exception cref="ArgumentException">A tensor is on another device.</exception>
    /// <exception cref="ObjectDisposedException">A tensor is disposed.</exception>
    public NativeTensors(Engine engine, ReadOnlySpan<Tensor> tensors, string parameterName)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _owners = new object?[tensors.Length];
        _pinned = GC.AllocateUninitializedArray<NativeTensor>(tensors.Length, pinned: true);
        try
        {
            for (var i = 0; i < _pinned.Length; i++)
            {
                ArgumentNullException.ThrowIfNull(tensors[i], $"{parameterName}[{i}]");
                if (tensors[i].Engine.Device != engine.Device)
                {
                    throw new ArgumentException(
                        $"{parameterName}[{i}] is on {tensors[i].Engine.Device}, the engine on {engine.Device}.",
                        parameterName
                    );
                }

                var owner = tensors[i].Owner;
                OwnerHold.Begin(owner);
                _owners[i] = owner;
                _pinned[i] = tensors[i].ToNative();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public NativeTensor* Pointer => (NativeTensor*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_pinned));

    public long Count => _pinned.Length;

    public void Dispose()
    {
        foreach (var owner in _owners)
        {
            OwnerHold.End(owner);
        }

        GC.KeepAlive(_pinned);
    }
}
