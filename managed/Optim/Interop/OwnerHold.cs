using System.Runtime.InteropServices;

namespace Optim.Interop;

/// <summary>Keeps the owner of memory while an address in it is used. A SafeHandle is also counted: whoever disposes it
/// meanwhile, on another thread or on that of the finalizers, frees nothing before the hold ends.</summary>
internal readonly ref struct OwnerHold
{
    private readonly object? _owner;

    /// <summary>Begins a hold.</summary>
    /// <exception cref="ObjectDisposedException">The memory is gone.</exception>
    public OwnerHold(object? owner)
    {
        Begin(owner);
        _owner = owner;
    }

    public void Dispose() => End(_owner);

    /// <summary>Begins a hold that <see cref="End"/> ends.</summary>
    public static void Begin(object? owner)
    {
        if (owner is SafeHandle handle)
        {
            var added = false;
            handle.DangerousAddRef(ref added);
        }
    }

    public static void End(object? owner)
    {
        (owner as SafeHandle)?.DangerousRelease();
        GC.KeepAlive(owner);
    }
}
