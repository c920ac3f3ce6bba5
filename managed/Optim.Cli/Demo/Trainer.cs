using System.Diagnostics;
using System.Globalization;
using Optim.Cli.Output;

namespace Optim.Cli.Demo;

/// <summary>How the training of one optimizer went.</summary>
/// <param name="Optimizer">Name of the rule.</param>
/// <param name="Losses">Mean training loss of each epoch.</param>
/// <param name="Accuracy">Share of the held-out images that are classified correctly.</param>
/// <param name="SecondsPerStep">Mean time of the optimizer's step alone.</param>
/// <param name="StateBytesPerParameter">Bytes of state for each parameter of the network.</param>
internal sealed record TrainingResult(
    string Optimizer,
    IReadOnlyList<double> Losses,
    double Accuracy,
    double SecondsPerStep,
    double StateBytesPerParameter)
{
    public double Loss => Losses.Count > 0 ? Losses[^1] : double.NaN;
}

/// <summary>Trains the network: forward and backward here on the host, the step by Optim on its device.</summary>
internal static class Trainer
{
    // The learning rate begins at this share of its peak, rises for an epoch, then falls along a cosine.
    private const double InitialShare = 0.1;

    public static TrainingResult Train(
        TrainingPlan plan,
        RuleSchema rule,
        IReadOnlyDictionary<string, double> hypers,
        Engine engine,
        Engine host,
        IProgressTrack progress)
    {
        using var network = new Network<float>(host, TrainingPlan.Widths, plan.Seed);
        using var buffers = new DeviceBuffers(network, engine);
        using var optimizer = Optimizer.Create(rule.Name, engine, buffers.Parameters, hypers);
        buffers.Download(); // some rules project the parameters when their optimizer is made
        ParameterGroup group = optimizer.Groups[0];
        CosineSchedule? schedule = rule.Hypers.Any(hyper => hyper.Name == "lr")
            ? new CosineSchedule
            {
                MaxLearningRate = group.LearningRate,
                InitLearningRate = group.LearningRate * InitialShare,
                TMax = plan.Steps,
                WarmupSteps = plan.WarmupSteps,
            }
            : null;

        var losses = new List<double>();
        double epochLoss = 0;
        long ticks = 0;
        int step = 0;
        foreach (DigitSet batch in plan.Batches())
        {
            step++;
            epochLoss += network.Train(batch.Images, batch.Labels);
            if (schedule is not null)
            {
                group.LearningRate = schedule.ValueAt(step);
            }

            buffers.Upload();
            long start = Stopwatch.GetTimestamp();
            optimizer.Step();
            engine.Synchronize();
            ticks += Stopwatch.GetTimestamp() - start;
            buffers.Download();

            if (step % plan.BatchesPerEpoch == 0)
            {
                losses.Add(epochLoss / plan.BatchesPerEpoch);
                epochLoss = 0;
                progress.Report(
                    step,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"epoch {losses.Count}/{plan.Epochs}, loss {losses[^1]:0.0000}"));
            }
        }

        return new TrainingResult(
            rule.Name,
            losses,
            network.Evaluate(plan.Test).Accuracy,
            Stopwatch.GetElapsedTime(0, ticks).TotalSeconds / step,
            (double)optimizer.StateBytes / network.ParameterCount);
    }
}
