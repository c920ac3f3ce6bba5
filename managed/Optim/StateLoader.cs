namespace Optim;

/// <summary>Restores an optimizer's state. Everything is checked before anything changes; then the states are read in pieces
/// into the memory that steps use.</summary>
internal static class StateLoader
{
    // A source may read a piece at a time, and a device takes it from the host.
    private const int ChunkBytes = 1 << 23;

    public const string MasterWeights = "master_param";

    /// <summary>Checks that a state fits.</summary>
    /// <param name="optimizer">What is to be restored.</param>
    /// <param name="source">The state.</param>
    /// <param name="anyHelpers">Helpers may have other settings, as long as they need the same states.</param>
    /// <returns>What restores it; may fail with nothing changed, or with an optimizer that is half loaded.</returns>
    public static Action Prepare(Optimizer optimizer, ITensorSource source, bool anyHelpers)
    {
        var state = StateMetadata.Read(optimizer, source.Metadata, anyHelpers);
        var other = optimizer.NeedsOtherStates(state.Hypers) ? optimizer.MakePlan(state.Hypers) : null;
        try
        {
            CheckTensors(optimizer, (other?.States ?? optimizer.StateMemory).Slots, source);
        }
        catch
        {
            other?.Dispose();
            throw;
        }

        return () =>
        {
            if (other is null)
            {
                SetHypers(optimizer, state.Hypers);
            }
            else
            {
                optimizer.Adopt(other);
            }

            optimizer.IsHalfLoaded = true;
            ReadStates(optimizer, source);
            optimizer.SetStepCounts(state.Counts);
            optimizer.IsHalfLoaded = false;
        };
    }

    private static void SetHypers(Optimizer optimizer, double[][] hypers)
    {
        double[][] before = [.. optimizer.Groups.Select(group => group.Values.ToArray())];
        var changed = 0;
        try
        {
            for (; changed < hypers.Length; changed++)
            {
                optimizer.Groups[changed].SetValues(hypers[changed]);
            }
        }
        catch
        {
            for (var i = 0; i < changed; i++)
            {
                optimizer.Groups[i].SetValues(before[i]);
            }

            throw;
        }
    }

    private static void ReadStates(Optimizer optimizer, ITensorSource source)
    {
        var states = optimizer.StateMemory;
        using var hold = states.Hold(); // the source is not ours: it may dispose the optimizer
        var staging = new byte[states.IsOnHost ? 0 : Math.Min(ChunkBytes, states.ByteLength)];
        optimizer.RefreshSources(); // for master weights
        foreach (var slot in states.Slots)
        {
            if (!source.Tensors.ContainsKey(slot.Key))
            {
                states.WriteWidened(slot, optimizer.Parameters[slot.Parameter].Value);
                continue;
            }

            for (var offset = 0L; offset < slot.Bytes; offset += ChunkBytes)
            {
                var length = (int)Math.Min(ChunkBytes, slot.Bytes - offset);
                if (states.IsOnHost)
                {
                    source.Read(slot.Key, offset, states.HostBytes(slot, offset, length));
                }
                else
                {
                    var piece = staging.AsSpan(0, length);
                    source.Read(slot.Key, offset, piece);
                    states.Write(slot, offset, piece);
                }
            }
        }
    }

    private static void CheckTensors(Optimizer optimizer, IReadOnlyList<StateSlot> slots, ITensorSource source)
    {
        var taken = 0;
        foreach (var slot in slots)
        {
            if (!source.Tensors.TryGetValue(slot.Key, out var stored))
            {
                if (slot.Name == MasterWeights)
                {
                    taken++; // from the parameters: the run had none before
                    continue;
                }

                throw new OptimException($"{optimizer.RuleName}: the state has no \"{slot.Key}\".");
            }

            var expected = new TensorInfo(slot.Key, slot.DType.ToSafeTensorType(), slot.Shape);
            if (stored.Type != expected.Type || !stored.Shape.SequenceEqual(expected.Shape))
            {
                throw new OptimException(
                    $"{optimizer.RuleName}: the state has {stored}; the optimizer needs {expected}."
                );
            }
        }

        if (source.Tensors.Count != slots.Count - taken)
        {
            var known = slots.Select(slot => slot.Key).ToHashSet();
            var extra = source.Tensors.Keys.First(name => !known.Contains(name));
            throw new OptimException(
                $"{optimizer.RuleName}: the state has \"{extra}\", which the optimizer "
                    + "with its hyper-parameters and helpers lacks."
            );
        }
    }
}
