using Optim.Interop;

namespace Optim;

/// <summary>Parameters that share the values of their hyper-parameters. The values are live: a change takes effect at
/// the next step.</summary>
public class ParameterGroup
{
    private readonly IReadOnlyDictionary<string, double> _given;
    private RuleSchema? _rule;
    private Optimizer? _optimizer;
    private double[] _values = [];
    private int _index;

    /// <summary>A group of any rule.</summary>
    /// <param name="parameters">The parameters of the group.</param>
    /// <param name="hypers">Values by the names of the rule's schema; those not named take their defaults.</param>
    public ParameterGroup(IEnumerable<Parameter> parameters, IReadOnlyDictionary<string, double>? hypers = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Parameters = [.. parameters];
        if (Parameters.Contains(null!))
        {
            throw new ArgumentException("A parameter of the group is null.", nameof(parameters));
        }

        _given = hypers is null ? new Dictionary<string, double>() : new Dictionary<string, double>(hypers);
    }

    /// <summary>The parameters of the group.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>The parameters share one step count, which advances at every step that is not skipped, also for those without a
    /// gradient then, as in pytorch_optimizer; false = each counts its own, as in torch.optim and TorchSharp.</summary>
    public bool StepsByGroup { get; init; }

    /// <summary>The rule of the optimizer that has the group.</summary>
    public RuleSchema Rule =>
        _rule ?? throw new InvalidOperationException("The group is not yet part of an optimizer.");

    /// <summary>The learning rate ("lr").</summary>
    public double LearningRate
    {
        get => this["lr"];
        set => this["lr"] = value;
    }

    /// <summary>All values, by name.</summary>
    public IReadOnlyDictionary<string, double> Hypers =>
        Rule
            .Hypers.Select((hyper, i) => (hyper.Name, Value: _values[i]))
            .ToDictionary(pair => pair.Name, pair => pair.Value);

    internal ReadOnlySpan<double> Values => _values;

    /// <summary>One value, by its name in the rule's schema.</summary>
    public double this[string hyper]
    {
        get => _values[IndexOf(Rule, hyper)];
        set
        {
            var index = IndexOf(Rule, hyper);
            if (_values[index].Equals(value))
            {
                return;
            }

            CheckValue(Rule, index, value);
            SetValue(index, value);
        }
    }

    /// <summary>Completes the values with the rule's defaults and checks them.</summary>
    internal void Resolve(RuleSchema rule)
    {
        if (_rule is not null)
        {
            throw new InvalidOperationException($"The group already belongs to an optimizer ({_rule.Name}).");
        }

        var values = Defaults(rule);
        var names = new Dictionary<int, string>();
        foreach (var (name, value) in _given)
        {
            var index = IndexOf(rule, name);
            if (!names.TryAdd(index, name))
            {
                throw new ArgumentException($"{rule.Name}: \"{names[index]}\" and \"{name}\" are one hyper-parameter; give one of them.");
            }

            values[index] = value;
        }

        CheckValues(rule, values);
        (_rule, _values) = (rule, values);
    }

    /// <summary>From now on values go to the plan of the optimizer.</summary>
    internal void Attach(Optimizer optimizer, int index)
    {
        (_optimizer, _index) = (optimizer, index);
        ReadValues();
    }

    /// <summary>Leaves the group as if it had never been resolved, when its optimizer could not be made.</summary>
    internal void Detach() => (_rule, _optimizer, _values) = (null, null, []);

    internal void SetValues(ReadOnlySpan<double> values)
    {
        _optimizer!.SetValues(_index, values);
        ReadValues();
    }

    /// <summary>The library has the last word: a 0 may have stood for the value of another hyper-parameter.</summary>
    internal unsafe void ReadValues()
    {
        fixed (double* row = _values)
        {
            NativeStatus.Check(NativeMethods.PlanGetHypers(_optimizer!.Plan, _index, row, _values.Length));
        }
    }

    private protected virtual double[] Defaults(RuleSchema rule) => [.. rule.Hypers.Select(hyper => hyper.Default)];

    private static int IndexOf(RuleSchema rule, string hyper)
    {
        try
        {
            return rule.IndexOf(hyper);
        }
        catch (ArgumentException exception) when (new Helpers().ToNumbers().ContainsKey(hyper))
        {
            throw new ArgumentException(
                $"{rule.Name} has no hyper-parameter \"{hyper}\": that is a helper, which is for all groups; set it in the "
                    + $"{nameof(Helpers)} of the optimizer.",
                nameof(hyper),
                exception
            );
        }
    }

    internal static void CheckValues(RuleSchema rule, ReadOnlySpan<double> values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            CheckValue(rule, i, values[i]);
        }
    }

    private static void CheckValue(RuleSchema rule, int index, double value)
    {
        var hyper = rule.Hypers[index];
        if (!hyper.Allows(value))
        {
            throw new ArgumentException($"{rule.Name}: {hyper.Name} = {value:R} is not {hyper.Allowed}.", hyper.Name);
        }
    }

    /// <summary>Sets one value without a heap allocation: learning rates change every step.</summary>
    private void SetValue(int index, double value)
    {
        Span<double> row = stackalloc double[_values.Length];
        _values.CopyTo(row);
        row[index] = value;
        SetValues(row);
    }
}
