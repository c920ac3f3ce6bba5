using System.Runtime.InteropServices;

namespace Optim;

/// <summary>Restores an optimizer's state: everything is checked and read before anything changes.</summary>
internal static unsafe class StateLoader
{
    private const int ChunkBytes = 1 << 26;

    public static void Load(Optimizer optimizer, StateMemory states, ITensorSource source)
    {
        var groups = StateMetadata.Read(optimizer, source.Metadata);
        CheckTensors(optimizer, states, source);
        var staging = (byte*)NativeMemory.AllocZeroed((nuint)Math.Max(1, states.ByteLength));
        try
        {
            foreach (var slot in states.Slots)
            {
                for (var offset = 0L; offset < slot.Bytes; offset += ChunkBytes)
                {
                    var part = (int)Math.Min(ChunkBytes, slot.Bytes - offset);
                    source.Read(slot.Key, offset, new Span<byte>(staging + slot.Offset + offset, part));
                }
            }

            Commit(optimizer, states, groups, staging);
        }
        finally
        {
            NativeMemory.Free(staging);
        }
    }

    private static void Commit(Optimizer optimizer, StateMemory states, IReadOnlyList<GroupState> groups, byte* staging)
    {
        double[][] before = [.. optimizer.Groups.Select(group => group.Values.ToArray())];
        var changed = 0;
        try
        {
            for (; changed < groups.Count; changed++)
            {
                optimizer.Groups[changed].SetValues(groups[changed].Hypers);
            }

            states.Write(staging);
        }
        catch
        {
            for (var i = 0; i < changed; i++)
            {
                optimizer.Groups[i].SetValues(before[i]);
            }

            throw;
        }

        for (var i = 0; i < groups.Count; i++)
        {
            optimizer.SetStepCount(i, groups[i].Step);
            optimizer.SetInputStepCount(i, groups[i].InputStep);
        }
    }

    private static void CheckTensors(Optimizer optimizer, StateMemory states, ITensorSource source)
    {
        foreach (var slot in states.Slots)
        {
            if (!source.Tensors.TryGetValue(slot.Key, out var stored))
            {
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

        if (source.Tensors.Count != states.Slots.Count)
        {
            var known = states.Slots.Select(slot => slot.Key).ToHashSet();
            var extra = source.Tensors.Keys.First(name => !known.Contains(name));
            throw new OptimException(
                $"{optimizer.RuleName}: the state has \"{extra}\", which the optimizer "
                    + "with its hyper-parameters and helpers lacks."
            );
        }
    }
}
