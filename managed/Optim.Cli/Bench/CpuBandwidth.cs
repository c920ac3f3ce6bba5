using System.Diagnostics;
using System.Runtime.Intrinsics;

namespace Optim.Cli.Bench;

/// <summary>In-place read-modify-write: every thread runs x = a x + b over its own range of a buffer far larger than
/// the caches.</summary>
internal sealed unsafe class CpuBandwidth : IBandwidth
{
    private const int Elements = 64 << 20;
    private const int Passes = 2;

    // x stays near 1, far from denormal numbers.
    private const float Factor = 0.5f;
    private const float Offset = 0.5f;

    private readonly Tensor _buffer;
    private readonly Barrier _barrier;
    private readonly Thread[] _threads;
    private volatile bool _stopping;

    public CpuBandwidth(Engine engine, int threads)
    {
        _buffer = Tensor.Allocate(engine, DType.Float32, [Elements]);
        _barrier = new Barrier(threads + 1);
        _threads =
        [
            .. Enumerable.Range(0, threads).Select(i => new Thread(() => Work(i, threads)) { IsBackground = true }),
        ];
        Array.ForEach(_threads, thread => thread.Start());
        BytesPerSecond(); // touches every page, and lets the loop be compiled
    }

    public string Description => $"in-place read-modify-write of {Elements >> 20} Mi floats, {_threads.Length} threads";

    public double BytesPerSecond()
    {
        long start = Stopwatch.GetTimestamp();
        _barrier.SignalAndWait();
        _barrier.SignalAndWait();
        return 2.0 * sizeof(float) * Elements * Passes / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public void Dispose()
    {
        _stopping = true;
        _barrier.SignalAndWait();
        Array.ForEach(_threads, thread => thread.Join());
        _barrier.Dispose();
        _buffer.Dispose();
    }

    private void Work(int index, int threads)
    {
        float* buffer = (float*)_buffer.Pointer;
        long first = Edge(index, threads);
        long end = Edge(index + 1, threads);
        while (true)
        {
            _barrier.SignalAndWait();
            if (_stopping)
            {
                return;
            }

            for (int pass = 0; pass < Passes; pass++)
            {
                if (Vector512.IsHardwareAccelerated)
                {
                    Update512(buffer + first, buffer + end);
                }
                else
                {
                    Update256(buffer + first, buffer + end);
                }
            }
            _barrier.SignalAndWait();
        }
    }

    // Ranges begin at multiples of a page, so no line belongs to two threads and no tail is left over.
    private static long Edge(int index, int threads) => (long)Elements / 1024 * index / threads * 1024;

    // Four vectors at once keep enough loads in flight.
    private static void Update512(float* x, float* end)
    {
        var factor = Vector512.Create(Factor);
        var offset = Vector512.Create(Offset);
        int width = Vector512<float>.Count;
        for (; x < end; x += 4 * width)
        {
            Vector512<float> x0 = Vector512.Load(x),
                x1 = Vector512.Load(x + width);
            Vector512<float> x2 = Vector512.Load(x + 2 * width),
                x3 = Vector512.Load(x + 3 * width);
            ((x0 * factor) + offset).Store(x);
            ((x1 * factor) + offset).Store(x + width);
            ((x2 * factor) + offset).Store(x + 2 * width);
            ((x3 * factor) + offset).Store(x + 3 * width);
        }
    }

    private static void Update256(float* x, float* end)
    {
        var factor = Vector256.Create(Factor);
        var offset = Vector256.Create(Offset);
        int width = Vector256<float>.Count;
        for (; x < end; x += 4 * width)
        {
            Vector256<float> x0 = Vector256.Load(x),
                x1 = Vector256.Load(x + width);
            Vector256<float> x2 = Vector256.Load(x + 2 * width),
                x3 = Vector256.Load(x + 3 * width);
            ((x0 * factor) + offset).Store(x);
            ((x1 * factor) + offset).Store(x + width);
            ((x2 * factor) + offset).Store(x + 2 * width);
            ((x3 * factor) + offset).Store(x + 3 * width);
        }
    }
}
