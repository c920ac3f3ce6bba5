using Optim.Interop;

namespace Optim;

/// <summary>Why a call of the native library failed.</summary>
public enum OptimStatus
{
    /// <summary>It did not fail.</summary>
    Ok = Native.OK,

    /// <summary>Null, out of range, disagreeing shapes or types, overlapping buffers.</summary>
    InvalidArgument = Native.INVALID_ARGUMENT,

    /// <summary>No rule, device or slot of that name.</summary>
    NotFound = Native.NOT_FOUND,

    /// <summary>Memory of the host or the device is exhausted.</summary>
    OutOfMemory = Native.OUT_OF_MEMORY,

    /// <summary>Valid, but this build, device or rule does not do it.</summary>
    Unsupported = Native.UNSUPPORTED,

    /// <summary>The runtime of the device failed.</summary>
    DeviceError = Native.DEVICE_ERROR,

    /// <summary>A defect of the library.</summary>
    Internal = Native.INTERNAL,
}
