using Optim.Interop;

namespace Optim;

/// <summary>Merges the gradients of several tasks by gradient surgery, PCGrad (arXiv 2001.06782): each task's gradient,
/// over all parameters together, is projected onto the normal plane of every other one that it conflicts with, and the
/// results are added up.</summary>
public static unsafe class GradientSurgery
{
    /// <summary>The largest number of tasks.</summary>
    public const int MaxTasks = 64;

    /// <summary>Merges the gradients of 1 to 64 tasks. Those of the tasks do not change.</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="taskGradients">For each task one gradient per parameter; null = the task has none, which counts as
    /// zeros.</param>
    /// <param name="merged">Where the result goes, one tensor per parameter; it may be one of that parameter's own
    /// gradients.</param>
    /// <param name="reduction">Sum or mean.</param>
    /// <param name="order">For each task all others, in the order in which it is projected; null = ascending.
    /// <see cref="ShuffledOrder"/> draws one, as the paper does.</param>
    public static void Merge(
        Engine engine,
        IReadOnlyList<IReadOnlyList<Tensor?>> taskGradients,
        IReadOnlyList<Tensor> merged,
        GradientReduction reduction = GradientReduction.Sum,
        IReadOnlyList<IReadOnlyList<int>>? order = null
    )
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(taskGradients);
        ArgumentNullException.ThrowIfNull(merged);
        Tensor[] targets = [.. merged];
        using var results = new NativeTensors(engine, targets, nameof(merged));
        Tensor?[] given = Flatten(taskGradients, targets.Length);
        Tensor[] described = [.. given.Select((gradient, i) => gradient ?? targets[i % targets.Length])];
        using var gradients = new NativeTensors(engine, described, nameof(taskGradients));
        for (var i = 0; i < given.Length; i++)
        {
            gradients.Pointer[i].Data = given[i] is null ? null : gradients.Pointer[i].Data;
        }

        var sequence = order is null ? null : Flatten(order, taskGradients.Count);
        fixed (long* others = sequence)
        {
            NativeStatus.Check(
                NativeMethods.Pcgrad(
                    engine.Handle,
                    taskGradients.Count,
                    targets.Length,
                    gradients.Pointer,
                    results.Pointer,
                    others,
                    (int)reduction
                )
            );
        }
    }

    /// <summary>A random order for <see cref="Merge"/>; the same seed of the random numbers gives the same
    /// order.</summary>
    public static int[][] ShuffledOrder(int tasks, Random random)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(tasks);
        ArgumentNullException.ThrowIfNull(random);
        var order = new int[tasks][];
        for (var task = 0; task < tasks; task++)
        {
            order[task] = [.. Enumerable.Range(0, tasks).Where(other => other != task)];
            random.Shuffle(order[task]);
        }

        return order;
    }

    /// <summary>The gradients of the first task, then of the second, ...</summary>
    private static Tensor?[] Flatten(IReadOnlyList<IReadOnlyList<Tensor?>> taskGradients, int count)
    {
        for (var task = 0; task < taskGradients.Count; task++)
        {
            if (taskGradients[task]?.Count != count)
            {
                throw new ArgumentException(
                    $"Task {task} needs {count} gradients, one per merged tensor, not {taskGradients[task]?.Count ?? 0}.",
                    nameof(taskGradients)
                );
            }
        }

        return [.. taskGradients.SelectMany(gradients => gradients)];
    }

    private static long[] Flatten(IReadOnlyList<IReadOnlyList<int>> order, int tasks)
    {
        for (var task = 0; task < Math.Max(order.Count, tasks); task++)
        {
            if (order.Count != tasks || order[task]?.Count != tasks - 1)
            {
                throw new ArgumentException(
                    $"The order must name, for each of the {tasks} tasks, the {tasks - 1} others.",
                    nameof(order)
                );
            }
        }

        return [.. order.SelectMany(others => others).Select(other => (long)other)];
    }
}
