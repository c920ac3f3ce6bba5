namespace Optim;

/// <summary>Element types of the safetensors format.</summary>
public enum SafeTensorType
{
    /// <summary>One byte, 0 or 1 ("BOOL").</summary>
    Bool,

    /// <summary>Unsigned integer "U8".</summary>
    U8,

    /// <summary>Signed integer "I8".</summary>
    I8,

    /// <summary>Floating point "F8_E5M2".</summary>
    F8E5M2,

    /// <summary>Floating point "F8_E4M3".</summary>
    F8E4M3,

    /// <summary>Signed integer "I16".</summary>
    I16,

    /// <summary>Unsigned integer "U16".</summary>
    U16,

    /// <summary>Floating point "F16".</summary>
    F16,

    /// <summary>Floating point "BF16".</summary>
    BF16,

    /// <summary>Signed integer "I32".</summary>
    I32,

    /// <summary>Unsigned integer "U32".</summary>
    U32,

    /// <summary>Floating point "F32".</summary>
    F32,

    /// <summary>Floating point "F64".</summary>
    F64,

    /// <summary>Signed integer "I64".</summary>
    I64,

    /// <summary>Unsigned integer "U64".</summary>
    U64,
}
