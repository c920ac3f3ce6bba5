using System.Runtime.InteropServices;
using Optim.Interop;

namespace Optim;

/// <summary>A dense buffer on the device of an engine: borrowed from its owner, or allocated by the engine.</summary>
/// <remarks>An optimizer keeps the buffer and the owner of its tensors alive for as long as a step can touch them,
/// whatever is disposed first; a step with a disposed tensor throws.</remarks>
public sealed unsafe partial class Tensor : IDisposable
{
    private static int s_epoch;

    private readonly TensorLayout _layout;
    private readonly bool _borrowed;
    private object? _owner;
    private nint _pointer;
    private bool _disposed;

    private Tensor(Engine engine, DType dtype, TensorLayout layout, nint pointer, object? owner, bool borrowed)
    {
        Engine = engine;
        DType = dtype;
        _layout = layout;
        _pointer = pointer;
        _owner = owner;
        _borrowed = borrowed;
    }

    /// <summary>The engine whose device holds the buffer.</summary>
    public Engine Engine { get; }

    /// <summary>Storage type of the elements.</summary>
    public DType DType { get; }

    /// <summary>Number of dimensions.</summary>
    public int Rank => _layout.Shape.Length;

    /// <summary>Sizes of the dimensions.</summary>
    public ReadOnlySpan<long> Shape => _layout.Shape;

    /// <summary>Distance of neighbours in every dimension, in elements.</summary>
    public ReadOnlySpan<long> Strides => _layout.Strides;

    /// <summary>Number of elements.</summary>
    public long ElementCount => _layout.ElementCount;

    /// <summary>Number of bytes.</summary>
    public long ByteLength => ElementCount * DType.Size();

    /// <summary>Address of the first element on the device; 0 for a tensor without elements. It is good for as long as the
    /// tensor is kept and not disposed.</summary>
    /// <exception cref="ObjectDisposedException">The tensor, or the SafeHandle that owns its memory, is disposed.</exception>
    public nint Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            return _pointer;
        }
    }

    /// <summary>Changes whenever any tensor moves or goes, or any parameter gets another gradient: an optimizer whose
    /// last bound epoch is the current one has nothing to compare.</summary>
    internal static int Epoch => Volatile.Read(ref s_epoch);

    internal object? Owner => _owner;

    internal bool IsDisposed => _disposed || _owner is SafeHandle { IsClosed: true };

    internal TensorLayout Layout => _layout;

    /// <summary>A view of memory that belongs to somebody else.</summary>
    /// <param name="pointer">Address on the engine's device, aligned to its element; 0 only without elements.</param>
    /// <param name="dtype">Storage type of the elements.</param>
    /// <param name="shape">Sizes of the dimensions, at most 8.</param>
    /// <param name="engine">The engine whose device holds the memory.</param>
    /// <param name="owner">Kept alive as long as the memory may be used; a <see cref="SafeHandle"/> is also
    /// counted.</param>
    /// <param name="strides">Distances in elements, dense with dimension 0 outermost; empty = row-major.</param>
    public static Tensor Borrow(
        nint pointer,
        DType dtype,
        ReadOnlySpan<long> shape,
        Engine engine,
        object? owner = null,
        ReadOnlySpan<long> strides = default
    )
    {
        ArgumentNullException.ThrowIfNull(engine);
        var layout = TensorLayout.Create(shape, strides, dtype.Checked(nameof(dtype)));
        return new Tensor(engine, dtype, layout, CheckPointer(pointer, layout, dtype), owner, borrowed: true);
    }

    /// <summary>A row-major tensor of zeros in memory of its own.</summary>
    public static Tensor Allocate(Engine engine, DType dtype, params ReadOnlySpan<long> shape)
    {
        ArgumentNullException.ThrowIfNull(engine);
        engine.CheckOpen();
        var layout = TensorLayout.Create(shape, default, dtype.Checked(nameof(dtype)));
        var buffer = engine.Allocate((ulong)(layout.ElementCount * dtype.Size()));
        return new Tensor(engine, dtype, layout, buffer?.Pointer ?? 0, buffer, borrowed: false);
    }

    /// <summary>Moves a borrowed view to other memory of the same shape and type; steps follow by themselves.</summary>
    /// <param name="pointer">The new address.</param>
    /// <param name="owner">The new owner, or null to keep none.</param>
    public void Rebind(nint pointer, object? owner = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_borrowed)
        {
            throw new InvalidOperationException(
                "A tensor that owns its memory cannot be moved; only borrowed ones can."
            );
        }

        CheckPointer(pointer, _layout, DType);
        if (pointer != _pointer || !ReferenceEquals(owner, _owner))
        {
            (_pointer, _owner) = (pointer, owner);
            Touch();
        }
    }

    /// <summary>Frees memory of its own, or lets go of the owner, once no optimizer uses it any more.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Touch();
        if (!_borrowed)
        {
            (_owner as IDisposable)?.Dispose();
        }

        _owner = null;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{DType}{_layout} on {Engine.Device}";

    /// <summary>Holds the memory while its address is used.</summary>
    internal OwnerHold Hold() => new(_owner);

    /// <summary>The address of one Float32 on the device of an engine.</summary>
    /// <exception cref="ArgumentException">It is something else.</exception>
    internal float* ScalarOn(Engine engine, string parameterName)
    {
        if (DType != DType.Float32 || ElementCount != 1)
        {
            throw new ArgumentException($"{parameterName} must be one Float32, not {this}.", parameterName);
        }

        return Engine.Device == engine.Device
            ? (float*)Pointer
            : throw new ArgumentException(
                $"{parameterName} is on {Engine.Device}; the step is on {engine.Device}.",
                parameterName
            );
    }

    internal static void Touch() => Interlocked.Increment(ref s_epoch);

    internal NativeTensor ToNative()
    {
        var native = new NativeTensor
        {
            Size = (ulong)sizeof(NativeTensor),
            Data = (void*)Pointer,
            Dtype = (int)DType,
            Layout = Native.STRIDED,
            Rank = Rank,
        };
        for (var i = 0; i < Rank; i++)
        {
            native.Shape[i] = _layout.Shape[i];
            native.Strides[i] = _layout.Strides[i];
        }

        return native;
    }

    private static nint CheckPointer(nint pointer, TensorLayout layout, DType dtype)
    {
        if (pointer == 0 && layout.ElementCount > 0)
        {
            throw new ArgumentException(
                $"A tensor of shape {layout} needs memory; the pointer is null.",
                nameof(pointer)
            );
        }

        if (pointer % dtype.Size() != 0)
        {
            throw new ArgumentException(
                $"The pointer 0x{pointer:x} is not aligned to the {dtype.Size()} bytes of a {dtype}.",
                nameof(pointer)
            );
        }

        return pointer;
    }
}
