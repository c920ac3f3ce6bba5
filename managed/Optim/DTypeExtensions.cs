namespace Optim;

/// <summary>Facts about storage types.</summary>
public static class DTypeExtensions
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this DType dtype) =>
        dtype switch
        {
            DType.Float32 => sizeof(float),
            DType.Float64 => sizeof(double),
            DType.Float16 or DType.BFloat16 => sizeof(ushort),
            _ => throw Unknown(dtype),
        };

    internal static DType Checked(this DType dtype, string parameterName) =>
        Enum.IsDefined(dtype) ? dtype : throw new ArgumentOutOfRangeException(parameterName, dtype, Allowed);

    internal static SafeTensorType ToSafeTensorType(this DType dtype) =>
        dtype switch
        {
            DType.Float32 => SafeTensorType.F32,
            DType.Float64 => SafeTensorType.F64,
            DType.Float16 => SafeTensorType.F16,
            DType.BFloat16 => SafeTensorType.BF16,
            _ => throw Unknown(dtype),
        };

    private static ArgumentOutOfRangeException Unknown(DType dtype) => new(nameof(dtype), dtype, Allowed);

    private const string Allowed = "A storage type is Float32, Float64, Float16 or BFloat16.";
}
