namespace Optim.TorchSharp.Tests.Support;

/// <summary>Owns an at::Tensor as TorchSharp's Tensor does: its handle can be had until it is disposed.</summary>
internal sealed unsafe class TorchTensor : IDisposable
{
    private nint _handle;

    private TorchTensor(nint handle)
    {
        StandIn.Check();
        _handle = handle;
    }

    ~TorchTensor() => StandIn.Dispose(_handle);

    public nint Handle => _handle != 0 ? _handle : throw new InvalidOperationException("Tensor invalid -- empty handle.");

    public bool HasGradient
    {
        get
        {
            using var gradient = Gradient;
            return gradient is not null;
        }
    }

    /// <summary>A new owner of the gradient; null = there is none.</summary>
    public TorchTensor? Gradient
    {
        get => StandIn.Gradient(Handle) is not 0 and var gradient ? new TorchTensor(gradient) : null;
        set => StandIn.SetGradient(Handle, value?.Handle ?? 0);
    }

    /// <summary>How many handles and gradients are this very tensor.</summary>
    public long Uses => StandIn.TensorUses(Handle);

    /// <summary>How many tensors share the memory.</summary>
    public long StorageUses => StandIn.StorageUses(Handle);

    public static TorchTensor Make(double[] values, long[] shape, TorchType type = TorchType.Float32, bool requiresGrad = true)
    {
        fixed (double* value = values)
        fixed (long* sizes = shape)
        {
            return new(StandIn.Tensor(value, sizes, shape.Length, (sbyte)type, requiresGrad ? (byte)1 : (byte)0));
        }
    }

    /// <summary>Numbers in [-1, 1] that every type holds exactly.</summary>
    public static double[] Numbers(long[] shape, int seed) =>
        [
            .. Enumerable
                .Range(0, (int)shape.Aggregate(1L, (product, size) => product * size))
                .Select(i => (((37 * i) + (3 * i * i) + (53 * seed) + 11) % 63 - 31.5) / 32),
        ];

    public static TorchTensor Make(long[] shape, int seed = 0, TorchType type = TorchType.Float32, bool requiresGrad = true) =>
        Make(Numbers(shape, seed), shape, type, requiresGrad);

    public TorchTensor Strided(long[] shape, long[] strides)
    {
        fixed (long* sizes = shape, steps = strides)
        {
            return new(StandIn.Strided(Handle, sizes, steps, shape.Length));
        }
    }

    public TorchTensor Form(string form) => new(StandIn.Form(Handle, form));

    public void SetData(TorchTensor data)
    {
        StandIn.SetData(Handle, data.Handle);
        StandIn.Check();
    }

    public double[] ToDoubles(long count)
    {
        var values = new double[count];
        fixed (double* value = values)
        {
            StandIn.Read(Handle, value);
        }

        StandIn.Check();
        return values;
    }

    public void Dispose()
    {
        StandIn.Dispose(_handle);
        _handle = 0;
        GC.SuppressFinalize(this);
    }
}
