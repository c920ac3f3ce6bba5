using Optim.Interop;

namespace Optim;

/// <summary>Storage type of the elements of a tensor.</summary>
public enum DType
{
    /// <summary>32-bit IEEE 754.</summary>
    Float32 = Native.F32,

    /// <summary>64-bit IEEE 754.</summary>
    Float64 = Native.F64,

    /// <summary>16-bit IEEE 754.</summary>
    Float16 = Native.F16,

    /// <summary>The upper half of a 32-bit IEEE 754 number.</summary>
    BFloat16 = Native.BF16,
}
