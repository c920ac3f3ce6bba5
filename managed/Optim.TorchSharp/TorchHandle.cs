using System.Runtime.InteropServices;

namespace Optim.TorchSharp;

/// <summary>A reference to a tensor of libtorch: its memory lives as long as one is held.</summary>
internal sealed class TorchHandle : SafeHandle
{
    private TorchHandle(nint tensor)
        : base(0, ownsHandle: true) => SetHandle(tensor);

    public override bool IsInvalid => handle == 0;

    /// <summary>Takes over a tensor that belongs to the caller.</summary>
    public static TorchHandle Own(nint tensor) => new(tensor);

    /// <summary>Shares the memory of somebody else's tensor.</summary>
    public static TorchHandle Share(nint tensor)
    {
        var shared = LibTorchSharp.Detach(tensor);
        if (shared == 0)
        {
            LibTorchSharp.CheckError();
        }

        return new TorchHandle(shared);
    }

    protected override bool ReleaseHandle()
    {
        LibTorchSharp.Dispose(handle);
        return true;
    }
}
