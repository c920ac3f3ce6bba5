using System.Text.Json;
using System.Text.Json.Nodes;

namespace Optim;

/// <summary>All that a training run needs in order to go on as if it had never stopped, besides the values of the
/// parameters: an optimizer with its states, counters, hyper-parameters and helper settings, the position of its learning-rate
/// schedules and its gradient scaler, in one safetensors file.</summary>
/// <remarks>
/// <para>A file is replaced only once the new one is complete on disk: who is interrupted at any moment, by a kill or a power
/// cut, finds the old one or the new one.</para>
/// <para>Loading checks everything before it changes anything. Should the source fail after that, while states are read (a disk
/// breaks), the optimizer refuses steps until a state is loaded completely. States are read in pieces into the memory that
/// steps use: nothing as large as they are is allocated.</para>
/// </remarks>
public sealed class Checkpoint
{
    private const string SchedulerKey = "scheduler";
    private const string ScalerKey = "scaler";

    /// <summary>A checkpoint of an optimizer.</summary>
    public Checkpoint(Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        Optimizer = optimizer;
    }

    /// <summary>The optimizer.</summary>
    public Optimizer Optimizer { get; }

    /// <summary>What sets its learning rates; null = that part is neither saved nor restored.</summary>
    public LearningRateScheduler? Scheduler { get; init; }

    /// <summary>The scaler of its gradients; null = that part is neither saved nor restored.</summary>
    public GradientScaler? Scaler { get; init; }

    /// <summary>Whether a run may go on with other helper settings and schedules than those it was saved with, which is then no
    /// longer the same run. Helpers with other states are refused all the same.</summary>
    public bool AcceptOtherSettings { get; init; }

    /// <summary>Writes everything to a file; waits for the device. No file grows in memory: states go from the device to the
    /// disk in pieces.</summary>
    /// <exception cref="InvalidOperationException">The scaler is between a step and its update.</exception>
    /// <exception cref="IOException">The file cannot be written; one that was there is as it was.</exception>
    public void Save(string path) => SafeTensors.Save(path, Source());

    /// <summary>Restores everything from a file.</summary>
    /// <exception cref="FormatException">The file is no sound safetensors file.</exception>
    /// <exception cref="OptimException">What it holds does not fit; nothing has changed.</exception>
    public void Load(string path)
    {
        Optimizer.CheckOpen();
        using var file = SafeTensorsFile.Open(path);
        Load(file);
    }

    /// <summary>Restores everything from tensors in memory, or from a file that is open.</summary>
    /// <exception cref="OptimException">What it holds does not fit; nothing has changed.</exception>
    public void Load(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        Optimizer.CheckOpen();
        foreach (var restore in Prepare(source))
        {
            restore();
        }
    }

    /// <summary>Everything of now, to be read piece by piece.</summary>
    internal ITensorSource Source()
    {
        Optimizer.CheckWhole();
        var metadata = new Dictionary<string, string>();
        StateMetadata.Write(Optimizer, metadata);
        if (Scheduler is not null)
        {
            metadata[SchedulerKey] = Scheduler.Describe().ToJsonString();
        }

        if (Scaler is not null)
        {
            metadata[ScalerKey] = Describe(Scaler).ToJsonString();
        }

        return new StateSource(metadata, Optimizer.StateMemory);
    }

    private static JsonObject Describe(GradientScaler scaler)
    {
        scaler.CheckBetweenCycles();
        var numbers = new JsonObject();
        foreach (var (name, value) in scaler.StateDict())
        {
            numbers[name] = JsonFields.Of(value);
        }

        return numbers;
    }

    /// <summary>Checks all parts, and says how to restore each.</summary>
    private List<Action> Prepare(ITensorSource source)
    {
        try
        {
            List<Action> parts = [StateLoader.Prepare(Optimizer, source, AcceptOtherSettings)];
            if (Scheduler is not null)
            {
                parts.Add(Scheduler.Prepare(JsonFields.ParseObject(source.Metadata, SchedulerKey), AcceptOtherSettings));
            }

            if (Scaler is not null)
            {
                var numbers = JsonFields.ParseObject(source.Metadata, ScalerKey);
                parts.Add(Scaler.Prepare(numbers.ToDictionary(pair => pair.Key, pair => JsonFields.Number(pair.Value, pair.Key))));
            }

            return parts;
        }
        catch (Exception exception)
            when (exception is JsonException or InvalidOperationException or ArgumentException
                && exception is not ObjectDisposedException
            )
        {
            // InvalidOperationException: a string that is no valid UTF-16; ArgumentException: a name that appears twice.
            throw new OptimException($"The metadata of the state is no sound JSON: {exception.Message}", exception);
        }
    }
}
