using System.Runtime.InteropServices;

namespace Optim;

/// <summary>Widening of stored elements to double, and rounding of doubles to them.</summary>
internal static class ElementConversion
{
    /// <summary>Whether a host type has the bits of a storage type.</summary>
    public static bool Holds<T>(DType dtype) =>
        dtype switch
        {
            DType.Float32 => typeof(T) == typeof(float),
            DType.Float64 => typeof(T) == typeof(double),
            DType.Float16 => typeof(T) == typeof(Half) || typeof(T) == typeof(ushort),
            _ => typeof(T) == typeof(ushort),
        };

    public static void Widen(ReadOnlySpan<byte> bytes, DType dtype, Span<double> values)
    {
        switch (dtype)
        {
            case DType.Float32:
                Widen<float>(bytes, values, static x => x);
                break;
            case DType.Float64:
                MemoryMarshal.Cast<byte, double>(bytes).CopyTo(values);
                break;
            case DType.Float16:
                Widen<Half>(bytes, values, static x => (double)x);
                break;
            case DType.BFloat16:
                Widen<ushort>(bytes, values, static x => BitConverter.UInt32BitsToSingle((uint)x << 16));
                break;
        }
    }

    public static void Narrow(ReadOnlySpan<double> values, DType dtype, Span<byte> bytes)
    {
        switch (dtype)
        {
            case DType.Float32:
                Narrow(values, bytes, static x => (float)x);
                break;
            case DType.Float64:
                values.CopyTo(MemoryMarshal.Cast<byte, double>(bytes));
                break;
            case DType.Float16:
                Narrow(values, bytes, static x => (Half)x);
                break;
            case DType.BFloat16:
                Narrow(values, bytes, static x => ToBFloat16((float)x));
                break;
        }
    }

    /// <summary>To nearest, ties to even; a NaN stays a (quiet) NaN.</summary>
    private static ushort ToBFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value)
            ? (ushort)((bits >> 16) | 0x40)
            : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private static void Widen<T>(ReadOnlySpan<byte> bytes, Span<double> values, Func<T, double> convert)
        where T : unmanaged
    {
        var source = MemoryMarshal.Cast<byte, T>(bytes);
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = convert(source[i]);
        }
    }

    private static void Narrow<T>(ReadOnlySpan<double> values, Span<byte> bytes, Func<double, T> convert)
        where T : unmanaged
    {
        var destination = MemoryMarshal.Cast<byte, T>(bytes);
        for (var i = 0; i < values.Length; i++)
        {
            destination[i] = convert(values[i]);
        }
    }
}
