namespace Optim.TorchSharp;

/// <summary>What libtorch says about one tensor, read again and again into the same memory.</summary>
internal sealed class TorchTensorReader(Engine engine)
{
    private const int CpuDevice = 0; // c10::DeviceType
    private const int CudaDevice = 1;

    private long[] _shape = [];
    private long[] _strides = [];
    private int _rank;

    public nint Data { get; private set; }

    public DType DType { get; private set; }

    public ReadOnlySpan<long> Shape => _shape.AsSpan(0, _rank);

    /// <summary>In elements; 1 where they do not matter: in a dimension of size 1, and in a tensor without
    /// elements.</summary>
    public ReadOnlySpan<long> Strides => _strides.AsSpan(0, _rank);

    /// <summary>Reads a tensor that steps can serve, or says why they cannot.</summary>
    /// <exception cref="NotSupportedException">It is sparse, of another type, or not on the engine's device.</exception>
    public void Read(nint tensor)
    {
        if (LibTorchSharp.IsSparse(tensor) != 0)
        {
            throw new NotSupportedException("is sparse; allowed are dense tensors, as to_dense() makes them.");
        }

        if (LibTorchSharp.IsNegated(tensor) == 1)
        {
            throw new NotSupportedException("is the negative of what is in memory; allowed is what resolve_neg() makes of it.");
        }

        DType = TypeOf(LibTorchSharp.Type(tensor));
        CheckDevice(LibTorchSharp.DeviceType(tensor), LibTorchSharp.DeviceIndex(tensor));
        _rank = (int)Checked(LibTorchSharp.Rank(tensor));
        if (_rank > _shape.Length)
        {
            (_shape, _strides) = (new long[_rank], new long[_rank]);
        }

        var isEmpty = false;
        for (var i = 0; i < _rank; i++)
        {
            _shape[i] = Checked(LibTorchSharp.Size(tensor, i));
            _strides[i] = _shape[i] == 1 ? 1 : Checked(LibTorchSharp.Stride(tensor, i));
            isEmpty |= _shape[i] == 0;
        }

        if (isEmpty)
        {
            _strides.AsSpan(0, _rank).Fill(1);
        }

        Data = isEmpty ? 0 : (nint)Checked(LibTorchSharp.Data(tensor));
    }

    /// <summary>Whether a tensor of Optim describes the same shape, in the same order in memory.</summary>
    public bool HasLayoutOf(Tensor tensor) => Shape.SequenceEqual(tensor.Shape) && Strides.SequenceEqual(tensor.Strides);

    /// <summary>As a message names it.</summary>
    public override string ToString() =>
        $"{DType} [{string.Join(", ", Shape.ToArray())}] with strides [{string.Join(", ", Strides.ToArray())}]";

    private static long Checked(long value)
    {
        if (value == 0)
        {
            LibTorchSharp.CheckError();
        }

        return value;
    }

    private static DType TypeOf(sbyte scalarType) =>
        scalarType switch
        {
            5 => DType.Float16,
            6 => DType.Float32,
            7 => DType.Float64,
            15 => DType.BFloat16,
            _ => throw new NotSupportedException(
                $"is {ScalarTypeName(scalarType)}; allowed are Float32, Float64, Float16 and BFloat16."
            ),
        };

    private static string ScalarTypeName(sbyte scalarType) =>
        scalarType switch
        {
            0 => "Byte",
            1 => "Int8",
            2 => "Int16",
            3 => "Int32",
            4 => "Int64",
            8 => "ComplexFloat16",
            9 => "ComplexFloat32",
            10 => "ComplexFloat64",
            11 => "Bool",
            _ => $"of ScalarType {scalarType}",
        };

    private void CheckDevice(int type, int index)
    {
        var device = engine.Device;
        var (expectedType, expectedIndex) = device.Type == Optim.DeviceType.Cpu ? (CpuDevice, index) : (CudaDevice, device.Index);
        if (type != expectedType || index != expectedIndex)
        {
            var name = type switch
            {
                CpuDevice => "cpu",
                CudaDevice => $"cuda:{index}",
                _ => $"a device of type {type}",
            };
            throw new NotSupportedException($"is on {name}; allowed is the device of the engine, {device}.");
        }
    }
}
