using System.Text.Json.Nodes;

namespace Optim;

/// <summary>Sets the learning rates of an optimizer's groups by schedules, step by step, and knows where they are:
/// <c>scheduler.Next(); optimizer.Step();</c></summary>
public sealed class LearningRateScheduler
{
    private readonly LearningRateSchedule?[] _schedules;

    /// <summary>One schedule for all groups.</summary>
    public LearningRateScheduler(Optimizer optimizer, LearningRateSchedule schedule)
        : this(optimizer, Enumerable.Repeat(schedule, optimizer?.Groups.Count ?? 1)) =>
        ArgumentNullException.ThrowIfNull(schedule);

    /// <summary>A schedule for each group.</summary>
    /// <param name="optimizer">Whose learning rates are set.</param>
    /// <param name="schedules">As many as there are groups; null leaves the learning rate of a group alone.</param>
    public LearningRateScheduler(Optimizer optimizer, IEnumerable<LearningRateSchedule?> schedules)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(schedules);
        Optimizer = optimizer;
        _schedules = [.. schedules];
        if (_schedules.Length != optimizer.Groups.Count)
        {
            throw new ArgumentException(
                $"The optimizer has {optimizer.Groups.Count} groups; there are {_schedules.Length} schedules.",
                nameof(schedules)
            );
        }
    }

    /// <summary>The optimizer whose learning rates are set.</summary>
    public Optimizer Optimizer { get; }

    /// <summary>The schedule of each group; null = its learning rate is left alone.</summary>
    public IReadOnlyList<LearningRateSchedule?> Schedules => _schedules;

    /// <summary>The number of the step whose learning rates were set last; 0 before the first.</summary>
    public long Position { get; private set; }

    /// <summary>Sets the learning rates of the next step. Allocates nothing.</summary>
    /// <exception cref="OptimException">A schedule has a hyper-parameter out of range.</exception>
    public void Next() => MoveTo(Position + 1);

    /// <summary>Sets the learning rates of a step.</summary>
    /// <param name="position">The number of the step; 0 = none was made yet, and learning rates stay as they are.</param>
    public void MoveTo(long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        for (var i = 0; position > 0 && i < _schedules.Length; i++)
        {
            if (_schedules[i] is { } schedule)
            {
                Optimizer.Groups[i].LearningRate = schedule.ValueAt(position);
            }
        }

        Position = position;
    }

    /// <inheritdoc/>
    public override string ToString() => $"step {Position} of {string.Join(", ", _schedules.Select(Name))}";

    internal JsonObject Describe()
    {
        var schedules = new JsonArray();
        foreach (var schedule in _schedules)
        {
            var values = new JsonArray();
            foreach (var value in schedule?.ToValues() ?? [])
            {
                values.Add(JsonFields.Of(value));
            }

            schedules.Add((JsonNode)new JsonObject { ["name"] = Name(schedule), ["values"] = values });
        }

        return new JsonObject { ["position"] = Position, ["schedules"] = schedules };
    }

    /// <summary>Checks a description, and says how to restore the position. Learning rates are restored with their
    /// groups.</summary>
    internal Action Prepare(JsonObject stored, bool anySchedules)
    {
        var position = JsonFields.Count(stored["position"], "scheduler.position");
        if (anySchedules)
        {
            return () => MoveTo(position);
        }

        var schedules = JsonFields.Array(stored["schedules"], "scheduler.schedules");
        if (schedules.Count != _schedules.Length)
        {
            throw new OptimException($"The state has {schedules.Count} schedules, the scheduler {_schedules.Length}.");
        }

        for (var i = 0; i < schedules.Count; i++)
        {
            var what = $"scheduler.schedules[{i}]";
            CheckSame(JsonFields.Object(schedules[i], what), what, _schedules[i]);
        }

        return () => Position = position;
    }

    private static void CheckSame(JsonObject stored, string what, LearningRateSchedule? own)
    {
        var name = JsonFields.Word(stored["name"], $"{what}.name");
        double[] values =
        [
            .. JsonFields.Array(stored["values"], $"{what}.values").Select(value => JsonFields.Number(value, $"{what}.values")),
        ];
        if (name != Name(own) || !values.AsSpan().SequenceEqual(own?.ToValues() ?? []))
        {
            throw new OptimException(
                $"{what} is {Text(name, values)} in the state, {Text(Name(own), own?.ToValues() ?? [])} in the scheduler; "
                    + $"{nameof(Checkpoint)}.{nameof(Checkpoint.AcceptOtherSettings)} allows that."
            );
        }
    }

    private static string Name(LearningRateSchedule? schedule) => schedule?.Name ?? "none";

    private static string Text(string name, double[] values) => $"{name}({string.Join(", ", values.Select(v => $"{v:R}"))})";
}
