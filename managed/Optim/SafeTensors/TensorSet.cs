using System.Runtime.InteropServices;

namespace Optim;

/// <summary>Named tensors in the memory of the host, each of less than 2 GiB.</summary>
public sealed class TensorSet : ITensorSource
{
    private readonly Dictionary<string, string> _metadata = [];
    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, byte[]> _bytes = [];

    /// <summary>Free text beside the tensors; may be changed.</summary>
    public IDictionary<string, string> Metadata => _metadata;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    IReadOnlyDictionary<string, string> ITensorSource.Metadata => _metadata;

    /// <summary>A copy of all tensors of a source.</summary>
    public static TensorSet CopyOf(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var copy = new TensorSet();
        foreach (var (key, value) in source.Metadata)
        {
            copy._metadata.Add(key, value);
        }

        foreach (var info in source.Tensors.Values)
        {
            if (info.ByteLength > Array.MaxLength)
            {
                throw new NotSupportedException(
                    $"Tensor {info} is too large to be held in memory as one array; use files."
                );
            }

            var bytes = new byte[info.ByteLength];
            source.Read(info.Name, 0, bytes);
            copy.Insert(info, bytes);
        }

        return copy;
    }

    /// <summary>Adds a tensor.</summary>
    /// <typeparam name="T">float, double, Half, a whole number or bool.</typeparam>
    public void Add<T>(string name, ReadOnlySpan<T> values, params ReadOnlySpan<long> shape)
        where T : unmanaged => Add(name, SafeTensorTypes.Of(typeof(T)), MemoryMarshal.AsBytes(values), shape);

    /// <summary>Adds a tensor.</summary>
    /// <typeparam name="T">float, double, Half, a whole number or bool.</typeparam>
    public void Add<T>(string name, T[] values, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(values);
        Add(name, (ReadOnlySpan<T>)values, shape);
    }

    /// <summary>Adds a tensor of any type from its bytes.</summary>
    public void Add(string name, SafeTensorType type, ReadOnlySpan<byte> bytes, ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(name);
        var info = new TensorInfo(name, type, shape);
        if (info.ByteLength != bytes.Length)
        {
            throw new ArgumentException(
                $"Tensor {info} has {info.ByteLength} bytes, not {bytes.Length}.",
                nameof(bytes)
            );
        }

        if (_tensors.ContainsKey(name))
        {
            throw new ArgumentException($"There already is a tensor \"{name}\".", nameof(name));
        }

        Insert(info, bytes.ToArray());
    }

    /// <summary>Removes a tensor; false when there was none of that name.</summary>
    public bool Remove(string name) => _tensors.Remove(name) && _bytes.Remove(name);

    /// <summary>The elements of a tensor.</summary>
    /// <typeparam name="T">The host type of its elements; ushort also reads the bits of 16-bit floats, byte the raw
    /// bytes.</typeparam>
    public T[] Get<T>(string name)
        where T : unmanaged
    {
        var info = Find(name);
        return info.Type.HeldBy(typeof(T))
            ? MemoryMarshal.Cast<byte, T>(_bytes[name]).ToArray()
            : throw new ArgumentException($"Tensor {info} cannot be read as {typeof(T).Name}.", nameof(name));
    }

    /// <summary>The elements of a floating-point tensor, widened to double.</summary>
    public double[] GetDoubles(string name)
    {
        var info = Find(name);
        DType? dtype = info.Type switch
        {
            SafeTensorType.F32 => DType.Float32,
            SafeTensorType.F64 => DType.Float64,
            SafeTensorType.F16 => DType.Float16,
            SafeTensorType.BF16 => DType.BFloat16,
            _ => null,
        };
        var values = new double[info.ElementCount];
        ElementConversion.Widen(
            _bytes[name],
            dtype ?? throw new ArgumentException($"Tensor {info} is not of a floating-point type.", nameof(name)),
            values
        );
        return values;
    }

    /// <inheritdoc/>
    public void Read(string name, long offset, Span<byte> destination)
    {
        Find(name);
        _bytes[name].AsSpan(checked((int)offset), destination.Length).CopyTo(destination);
    }

    private TensorInfo Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _tensors.TryGetValue(name, out var info)
            ? info
            : throw new KeyNotFoundException(
                $"There is no tensor \"{name}\"; there are {string.Join(", ", _tensors.Keys)}."
            );
    }

    private void Insert(TensorInfo info, byte[] bytes)
    {
        _tensors.Add(info.Name, info);
        _bytes.Add(info.Name, bytes);
    }
}
