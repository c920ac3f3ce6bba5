namespace Optim;

/// <summary>Name, element type and shape of a stored tensor.</summary>
public sealed class TensorInfo
{
    private readonly long[] _shape;

    /// <summary>Describes a tensor.</summary>
    public TensorInfo(string name, SafeTensorType type, ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        Name = name;
        Type = type;
        _shape = shape.ToArray();
        ElementCount = Count(name, type, shape);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Type of its elements.</summary>
    public SafeTensorType Type { get; }

    /// <summary>Sizes of its dimensions.</summary>
    public ReadOnlySpan<long> Shape => _shape;

    /// <summary>Number of elements.</summary>
    public long ElementCount { get; }

    /// <summary>Number of bytes.</summary>
    public long ByteLength => ElementCount * Type.Size();

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Type.Code()} {TensorLayout.Text(_shape)}";

    private static long Count(string name, SafeTensorType type, ReadOnlySpan<long> shape)
    {
        Int128 bytes = type.Size();
        var empty = false;
        foreach (var size in shape)
        {
            if (size < 0)
            {
                throw new FormatException(
                    $"tensor \"{name}\" has the negative size {size} in shape {TensorLayout.Text(shape)}"
                );
            }

            empty |= size == 0;
            bytes = bytes > long.MaxValue ? bytes : bytes * size;
        }

        if (!empty && bytes > long.MaxValue)
        {
            throw new FormatException($"tensor \"{name}\" of shape {TensorLayout.Text(shape)} exceeds 2^63 bytes");
        }

        return empty ? 0 : (long)bytes / type.Size();
    }
}
