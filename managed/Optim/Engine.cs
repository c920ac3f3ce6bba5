using Optim.Interop;

namespace Optim;

/// <summary>A device with the scratch memory, threads or stream that steps use. One engine serves any number of
/// optimizers.</summary>
/// <remarks>Disposal is safe in any order: the native engine lives until the last tensor and optimizer made from it is
/// gone, and they go on working. Nothing new begins on an engine that is disposed.</remarks>
public sealed unsafe class Engine : IDisposable
{
    private readonly EngineHandle _handle;
    private volatile bool _disposed;

    /// <summary>Creates an engine.</summary>
    /// <param name="device">The device to compute on.</param>
    /// <param name="threads">CPU: number of threads, 0 = one per available core. CUDA: must be 0.</param>
    /// <param name="stream">CUDA: the cudaStream_t all work is queued on, 0 = the default stream. CPU: must be
    /// 0.</param>
    public Engine(Device device, int threads = 0, nint stream = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        var options = new NativeEngineOptions
        {
            Size = (ulong)sizeof(NativeEngineOptions),
            DeviceType = (int)device.Type,
            DeviceIndex = device.Index,
            Threads = threads,
            Stream = (void*)stream,
        };
        NativeStatus.Check(NativeMethods.EngineCreate(&options, out _handle));
        Device = device;
    }

    /// <summary>Creates an engine on the processor with all cores.</summary>
    public Engine()
        : this(Device.Cpu) { }

    /// <summary>The device it computes on.</summary>
    public Device Device { get; }

    /// <summary>A line about the engine: device, instruction set or compute capability, threads.</summary>
    public string Description
    {
        get
        {
            byte* text;
            using var hold = new OwnerHold(Handle);
            NativeStatus.Check(NativeMethods.EngineDescription(Handle, &text));
            return NativeText.Read(text);
        }
    }

    /// <summary>For what begins on the engine.</summary>
    internal EngineHandle Handle
    {
        get
        {
            CheckOpen();
            return _handle;
        }
    }

    /// <summary>For tensors and optimizers that were there before the engine was disposed.</summary>
    internal EngineHandle LivingHandle
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return _handle;
        }
    }

    /// <summary>Number of usable devices of a kind; 0 CUDA devices without a driver or in a build without
    /// CUDA.</summary>
    public static int DeviceCount(DeviceType type)
    {
        int count;
        NativeStatus.Check(NativeMethods.DeviceCount((int)type, &count));
        return count;
    }

    /// <summary>Replaces the stream (cudaStream_t) of a CUDA engine; a CPU engine takes only 0.</summary>
    public void SetStream(nint stream) => NativeStatus.Check(NativeMethods.EngineSetStream(Handle, (void*)stream));

    /// <summary>Waits until everything queued is done and reports errors of the device.</summary>
    public void Synchronize() => NativeStatus.Check(NativeMethods.EngineSynchronize(Handle));

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        _handle.Dispose();
    }

    internal void CheckOpen() => ObjectDisposedException.ThrowIf(_disposed, this);

    internal BufferHandle? Allocate(ulong bytes)
    {
        if (bytes == 0)
        {
            return null;
        }

        void* buffer;
        NativeStatus.Check(NativeMethods.BufferAlloc(LivingHandle, bytes, &buffer));
        return new BufferHandle((nint)buffer, _handle);
    }

    internal void Copy(void* destination, void* source, long bytes) =>
        NativeStatus.Check(NativeMethods.BufferCopy(LivingHandle, destination, source, (ulong)bytes));
}
