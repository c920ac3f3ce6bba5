using System.Diagnostics;

namespace Optim.Cli.Bench;

/// <summary>Copy from one buffer on the device to another: each byte is read once and written once.</summary>
internal sealed unsafe class DeviceBandwidth : IBandwidth
{
    // As much as one span addresses: the longer the copy, the less its launch counts.
    private const int Bytes = int.MaxValue / 4096 * 4096;

    private readonly Engine _engine;
    private readonly Tensor _source,
        _destination;

    public DeviceBandwidth(Engine engine)
    {
        _engine = engine;
        _source = Tensor.Allocate(engine, DType.Float32, [Bytes / sizeof(float)]);
        _destination = Tensor.Allocate(engine, DType.Float32, [Bytes / sizeof(float)]);
        BytesPerSecond();
    }

    public string Description => $"copy of {Bytes >> 20} MiB on the device";

    public double BytesPerSecond()
    {
        // The span is only an address for the native copy, which takes device memory on either side; nothing here reads
        // it.
        var source = new ReadOnlySpan<byte>((void*)_source.Pointer, Bytes);
        _engine.Synchronize();
        long start = Stopwatch.GetTimestamp();
        _destination.CopyFrom(source);
        _engine.Synchronize();
        return 2.0 * Bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public void Dispose()
    {
        _source.Dispose();
        _destination.Dispose();
    }
}
