using Optim.Interop;

namespace Optim;

/// <summary>Checked shape and strides of a dense buffer.</summary>
internal sealed class TensorLayout
{
    private TensorLayout(long[] shape, long[] strides, long elementCount) =>
        (Shape, Strides, ElementCount) = (shape, strides, elementCount);

    public long[] Shape { get; }

    public long[] Strides { get; }

    public long ElementCount { get; }

    public static TensorLayout Create(ReadOnlySpan<long> shape, ReadOnlySpan<long> strides, DType dtype)
    {
        if (shape.Length > Native.MAX_RANK)
        {
            throw new ArgumentException(
                $"A tensor has at most {Native.MAX_RANK} dimensions, not {shape.Length}.",
                nameof(shape)
            );
        }

        var count = CountElements(shape, dtype);
        var rowMajor = RowMajor(shape);
        if (strides.IsEmpty)
        {
            return new TensorLayout(shape.ToArray(), rowMajor, count);
        }

        if (!IsDense(shape, strides, count))
        {
            throw new ArgumentException(
                $"Strides {Text(strides)} of shape {Text(shape)} are not dense with dimension 0 outermost; "
                    + $"row-major would be {Text(rowMajor)}.",
                nameof(strides)
            );
        }

        return new TensorLayout(shape.ToArray(), strides.ToArray(), count);
    }

    /// <summary>The dimensions of more than one index, from the outermost in memory to the innermost.</summary>
    public long[] Order() =>
        ElementCount == 0
            ? []
            :
            [
                .. Enumerable
                    .Range(0, Shape.Length)
                    .Where(i => Shape[i] > 1)
                    .OrderByDescending(i => Strides[i])
                    .Select(i => (long)i),
            ];

    /// <summary>Whether elements of equal indices lie at equal places: the stride of a dimension of one index does not
    /// matter.</summary>
    public bool SameAs(TensorLayout other)
    {
        if (!Shape.AsSpan().SequenceEqual(other.Shape))
        {
            return false;
        }

        for (var i = 0; i < Shape.Length && ElementCount > 0; i++)
        {
            if (Shape[i] > 1 && Strides[i] != other.Strides[i])
            {
                return false;
            }
        }

        return true;
    }

    public override string ToString() => Text(Shape);

    public static string Text(ReadOnlySpan<long> values) => $"[{string.Join(", ", values.ToArray())}]";

    /// <summary>The product of the sizes, checked to fit the address space together with the size of an
    /// element.</summary>
    private static long CountElements(ReadOnlySpan<long> shape, DType dtype)
    {
        Int128 bytes = dtype.Size();
        var empty = false;
        foreach (var size in shape)
        {
            if (size < 0)
            {
                throw new ArgumentException($"Shape {Text(shape)} has a negative size.", nameof(shape));
            }

            empty |= size == 0;
            bytes = bytes > nint.MaxValue ? bytes : bytes * size;
        }

        if (empty)
        {
            return 0;
        }

        return bytes <= nint.MaxValue
            ? (long)bytes / dtype.Size()
            : throw new ArgumentException($"Shape {Text(shape)} of {dtype} exceeds the address space.", nameof(shape));
    }

    private static long[] RowMajor(ReadOnlySpan<long> shape)
    {
        var strides = new long[shape.Length];
        var stride = 1L;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride = unchecked(stride * Math.Max(1, shape[i]));
        }

        return strides;
    }

    /// <summary>Dense: sorted by stride, every dimension spans exactly what the smaller ones fill.</summary>
    private static bool IsDense(ReadOnlySpan<long> shape, ReadOnlySpan<long> strides, long count)
    {
        if (strides.Length != shape.Length)
        {
            return false;
        }

        if (count == 0)
        {
            return true;
        }

        if (shape.Length > 0 && shape[0] > 1 && strides[0] != count / shape[0])
        {
            return false;
        }

        Span<int> order = stackalloc int[shape.Length];
        var used = 0;
        for (var i = 0; i < shape.Length; i++)
        {
            if (shape[i] > 1)
            {
                order[used++] = i;
            }
        }

        order = order[..used];
        var keys = strides.ToArray();
        order.Sort((a, b) => keys[a].CompareTo(keys[b]));
        var expected = 1L;
        foreach (var i in order)
        {
            if (strides[i] != expected)
            {
                return false;
            }

            expected *= shape[i];
        }

        return true;
    }
}
