using System.Diagnostics;
using Optim.Cli.Commands;
using Optim.Cli.Output;

namespace Optim.Cli.Bench;

/// <summary>Measures the step of one rule in turn with the bandwidth of the memory.</summary>
internal static class RuleBenchmark
{
    private const double SecondsPerSample = 0.05;
    private const int MostStepsPerSample = 2000;

    // Threads of the measurement before may still spin for work that will not come.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(15);

    public static BenchResult Measure(
        RuleSchema rule,
        Engine engine,
        BenchSettings settings,
        IBandwidth bandwidth,
        IProgressTrack progress)
    {
        DType dtype = SharedOptions.DTypes[settings.DType];
        using var workload = new Workload(engine, settings.Tensors, settings.Shape, dtype);
        using var optimizer = Optimizer.Create(
            rule.Name,
            engine,
            workload.Parameters,
            helpers: settings.Helpers,
            storage: settings.Storage with
            {
                GradientType = dtype,
                StateType = dtype == DType.Float64 ? DType.Float64 : DType.Float32,
            }
        );

        // The first step may meet untouched pages; the second says how many make a sample.
        SecondsPerStep(optimizer, engine, 1);
        int steps = (int)Math.Clamp(SecondsPerSample / SecondsPerStep(optimizer, engine, 1), 1, MostStepsPerSample);
        var seconds = new List<double>();
        var bytesPerSecond = new List<double>();
        for (int i = 0; i < settings.Repeat; i++)
        {
            Thread.Sleep(Pause);
            bytesPerSecond.Add(bandwidth.BytesPerSecond());
            Thread.Sleep(Pause);
            seconds.Add(SecondsPerStep(optimizer, engine, steps));
            progress.Report(i + 1, $"step {NumberText.Duration(Statistics.Median(seconds))}");
        }

        double step = Statistics.Median(seconds);
        double memory = Statistics.Median(bytesPerSecond);
        double rate = optimizer.BytesPerStep / step;
        return new BenchResult(
            rule.Name,
            engine.Device.ToString(),
            settings.DType,
            settings.Elements,
            settings.Tensors,
            settings.Shape.Length > 1 ? rule.Cost.Matrix : rule.Cost.Vector,
            (double)optimizer.BytesPerStep / settings.Elements,
            optimizer.LaunchesPerStep,
            step,
            rate / 1e9,
            memory / 1e9,
            rate / memory);
    }

    private static double SecondsPerStep(Optimizer optimizer, Engine engine, int steps)
    {
        engine.Synchronize();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < steps; i++)
        {
            optimizer.Step();
        }
        engine.Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalSeconds / steps;
    }
}
