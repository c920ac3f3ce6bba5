using System.Runtime.InteropServices;

namespace Optim.Interop;

/// <summary>An owned native object, together with everything that must stay alive as long as it does.</summary>
/// <remarks>What it keeps is referenced strongly, and a kept SafeHandle is also counted: its native object then
/// survives being disposed or finalized first, so no order of disposal leaves a dangling pointer.</remarks>
internal abstract class NativeHandle() : SafeHandle(0, ownsHandle: true)
{
    private readonly List<object> _former = [];
    private object?[] _kept = [];

    public override bool IsInvalid => handle == 0;

    /// <summary>Keeps an object alive in a numbered place, instead of what was kept there before. That is released by
    /// <see cref="ReleaseFormer"/>, once the native object has let go of it.</summary>
    /// <exception cref="ObjectDisposedException">It is a SafeHandle whose native object is gone.</exception>
    public void Keep(int place, object? owner)
    {
        if (place >= _kept.Length)
        {
            Array.Resize(ref _kept, Math.Max(place + 1, _kept.Length * 2));
        }

        var previous = _kept[place];
        if (ReferenceEquals(previous, owner))
        {
            return;
        }

        OwnerHold.Begin(owner);
        _kept[place] = owner;
        if (previous is not null)
        {
            _former.Add(previous);
        }
    }

    /// <summary>Releases what was replaced.</summary>
    public void ReleaseFormer()
    {
        foreach (var owner in _former)
        {
            OwnerHold.End(owner);
        }

        _former.Clear();
    }

    protected abstract void Free(nint handle);

    protected override bool ReleaseHandle()
    {
        Free(handle);
        ReleaseFormer();
        foreach (var owner in _kept)
        {
            OwnerHold.End(owner);
        }

        _kept = [];
        return true;
    }
}
