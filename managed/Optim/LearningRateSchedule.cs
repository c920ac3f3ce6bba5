using System.Text;
using Optim.Interop;

namespace Optim;

/// <summary>A learning rate as a pure function of the step n = 1, 2, ...: the value is for the step about to be made, as in
/// <c>optimizer.Groups[0].LearningRate = schedule.ValueAt(n); optimizer.Step();</c>. A resumed run continues with its step
/// alone. One record per schedule derives from it.</summary>
public abstract unsafe record LearningRateSchedule
{
    private const int LongestOnStack = 64;

    private protected LearningRateSchedule() { }

    /// <summary>Its name in the catalogue.</summary>
    public abstract string Name { get; }

    /// <summary>The name in UTF-8, followed by a zero.</summary>
    private protected abstract ReadOnlySpan<byte> NativeName { get; }

    private protected abstract int ValueCount { get; }

    /// <summary>Makes a schedule of any name of the catalogue, in upper or lower case.</summary>
    /// <param name="name">Name of the schedule.</param>
    /// <param name="hypers">Values by the names of its schema, a dictionary for example; those not named take their
    /// defaults. A list is given by naming it once for each value.</param>
    /// <exception cref="ArgumentException">There is no such schedule or hyper-parameter, or one without a default is not
    /// given, or twice, or out of range.</exception>
    /// <exception cref="OptimException">The values do not fit together.</exception>
    public static LearningRateSchedule Create(
        string name,
        IEnumerable<KeyValuePair<string, double>>? hypers = null
    )
    {
        var schema = Catalogue.FindSchedule(name);
        var schedule = new NamedSchedule(schema, Row(schema, hypers ?? []));
        schedule.ValueAt(1); // checks what the values mean together
        return schedule;
    }

    /// <summary>The value for a step. Allocates nothing.</summary>
    /// <param name="step">The number of the step, from 1.</param>
    /// <exception cref="OptimException">A hyper-parameter is out of range.</exception>
    public double ValueAt(long step)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        var count = ValueCount;
        Span<double> values = count <= LongestOnStack ? stackalloc double[count] : new double[count];
        CopyValues(values);
        double value;
        fixed (byte* name = NativeName)
        fixed (double* row = values)
        {
            NativeStatus.Check(NativeMethods.ScheduleValue(name, row, count, step, &value));
        }

        return value;
    }

    /// <summary>The values of its hyper-parameters, in the order of its schema.</summary>
    internal double[] ToValues()
    {
        var values = new double[ValueCount];
        CopyValues(values);
        return values;
    }

    private protected abstract void CopyValues(Span<double> values);

    private protected static void CopyList(IReadOnlyList<long> list, Span<double> values)
    {
        for (var i = 0; i < list.Count; i++)
        {
            values[i] = list[i];
        }
    }

    private static double[] Row(ScheduleSchema schema, IEnumerable<KeyValuePair<string, double>> hypers)
    {
        List<double> row = [.. schema.Hypers.Select(hyper => hyper.Default)];
        var given = new HashSet<int>();
        foreach (var (name, value) in hypers)
        {
            var index = schema.IndexOf(name);
            var hyper = schema.Hypers[index];
            if (!hyper.Allows(value))
            {
                throw new ArgumentException($"{schema.Name}: {name} = {value:R} is not {hyper.Allowed}.", name);
            }

            if (given.Add(index))
            {
                row[index] = value;
            }
            else if (hyper.Variadic)
            {
                row.Add(value);
            }
            else
            {
                throw new ArgumentException($"{schema.Name}: {name} is given twice.", name);
            }
        }

        var missing = schema.Hypers.FirstOrDefault(hyper => double.IsNaN(row[schema.IndexOf(hyper.Name)]));
        return missing is null
            ? [.. row]
            : throw new ArgumentException(
                $"{schema.Name}: {missing.Name} must be given; it takes {missing.Allowed}.",
                missing.Name
            );
    }

    /// <summary>A schedule known only by its name.</summary>
    private sealed record NamedSchedule(ScheduleSchema Schema, double[] Values) : LearningRateSchedule
    {
        private readonly byte[] _name = Encoding.UTF8.GetBytes(Schema.Name + "\0");

        public override string Name => Schema.Name;

        private protected override ReadOnlySpan<byte> NativeName => _name;

        private protected override int ValueCount => Values.Length;

        private protected override void CopyValues(Span<double> values) => Values.CopyTo(values);
    }
}
