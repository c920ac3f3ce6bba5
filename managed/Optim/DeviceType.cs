using Optim.Interop;

namespace Optim;

/// <summary>Kind of device an engine computes on.</summary>
public enum DeviceType
{
    /// <summary>The host's processor.</summary>
    Cpu = Native.CPU,

    /// <summary>A CUDA device.</summary>
    Cuda = Native.CUDA,
}
