namespace Optim;

/// <content>Copies to and from the host, in storage order.</content>
public sealed unsafe partial class Tensor
{
    /// <summary>Replaces all elements, waiting for the device.</summary>
    /// <typeparam name="T">float, double, Half, or ushort for the bits of a 16-bit type; byte copies raw
    /// bytes.</typeparam>
    public void CopyFrom<T>(ReadOnlySpan<T> source)
        where T : unmanaged
    {
        CheckElements<T>(source.Length, nameof(source));
        fixed (T* values = source)
        {
            using var hold = Hold();
            CopyBytes((void*)Pointer, values);
        }
    }

    /// <inheritdoc cref="CopyFrom{T}(ReadOnlySpan{T})"/>
    public void CopyFrom<T>(T[] source)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(source);
        CopyFrom<T>(source.AsSpan());
    }

    /// <summary>Reads all elements, waiting for the device.</summary>
    /// <typeparam name="T">float, double, Half, or ushort for the bits of a 16-bit type; byte copies raw
    /// bytes.</typeparam>
    public void CopyTo<T>(Span<T> destination)
        where T : unmanaged
    {
        CheckElements<T>(destination.Length, nameof(destination));
        fixed (T* values = destination)
        {
            using var hold = Hold();
            CopyBytes(values, (void*)Pointer);
        }
    }

    /// <summary>All elements, widened to double.</summary>
    public double[] ToDoubles()
    {
        var bytes = new byte[checked((int)ByteLength)];
        CopyTo<byte>(bytes);
        var values = new double[ElementCount];
        ElementConversion.Widen(bytes, DType, values);
        return values;
    }

    /// <summary>Replaces all elements by numbers rounded to the storage type.</summary>
    public void CopyFromDoubles(ReadOnlySpan<double> source)
    {
        var bytes = new byte[checked((int)ByteLength)];
        CheckCount(source.Length, nameof(source));
        ElementConversion.Narrow(source, DType, bytes);
        CopyFrom<byte>(bytes);
    }

    /// <summary>The elements themselves, only on the processor. The span does not hold the memory: keep the tensor, and do not
    /// dispose it, for as long as the span is used; <see cref="CopyTo{T}(Span{T})"/> has no such condition.</summary>
    public Span<T> AsSpan<T>()
        where T : unmanaged
    {
        if (Engine.Device.Type != DeviceType.Cpu)
        {
            throw new InvalidOperationException(
                $"Memory of {Engine.Device} is not visible to the host; use CopyTo and CopyFrom."
            );
        }

        var length = ByteLength / sizeof(T);
        if (length > int.MaxValue)
        {
            throw new InvalidOperationException($"A span holds at most {int.MaxValue} elements, not {length}.");
        }

        CheckElements<T>((int)length, nameof(T));
        return new Span<T>((void*)Pointer, (int)length);
    }

    private void CopyBytes(void* destination, void* source)
    {
        if (ByteLength > 0)
        {
            Engine.Copy(destination, source, ByteLength);
        }
    }

    private void CheckElements<T>(int length, string parameterName)
        where T : unmanaged
    {
        if (typeof(T) == typeof(byte))
        {
            if (length != ByteLength)
            {
                throw new ArgumentException($"{this} has {ByteLength} bytes, not {length}.", parameterName);
            }

            return;
        }

        if (!ElementConversion.Holds<T>(DType))
        {
            throw new ArgumentException($"{typeof(T).Name} is no element of a tensor of {DType}.", parameterName);
        }

        CheckCount(length, parameterName);
    }

    private void CheckCount(int length, string parameterName)
    {
        if (length != ElementCount)
        {
            throw new ArgumentException($"{this} has {ElementCount} elements, not {length}.", parameterName);
        }
    }
}
