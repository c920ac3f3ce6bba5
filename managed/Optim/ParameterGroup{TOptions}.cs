namespace Optim;

/// <summary>A group whose hyper-parameters are an options record of its own.</summary>
/// <typeparam name="TOptions">The options record of the rule.</typeparam>
public sealed class ParameterGroup<TOptions> : ParameterGroup
    where TOptions : class, IOptimizerOptions<TOptions>, new()
{
    private readonly TOptions _initial;

    /// <summary>A group with its options; null = the rule's defaults.</summary>
    public ParameterGroup(IEnumerable<Parameter> parameters, TOptions? options = null)
        : base(parameters) => _initial = options ?? new TOptions();

    /// <summary>The values of now. Setting them takes effect at the next step:
    /// <c>group.Options = group.Options with { LearningRate = 1e-4 };</c></summary>
    public TOptions Options
    {
        get => Values.IsEmpty ? _initial : TOptions.FromValues(Values);
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            var values = new double[Rule.Hypers.Count];
            value.CopyValues(values);
            CheckValues(Rule, values);
            SetValues(values);
        }
    }

    private protected override double[] Defaults(RuleSchema rule)
    {
        if (
            rule.Name != TOptions.RuleName
            || !rule.Hypers.Select(hyper => hyper.Name).SequenceEqual(TOptions.HyperNames)
        )
        {
            throw new OptimException(
                OptimStatus.Unsupported,
                $"{typeof(TOptions).Name} was generated for {TOptions.RuleName} "
                    + $"({string.Join(", ", TOptions.HyperNames)}); "
                    + $"the library's {rule.Name} has {string.Join(", ", rule.Hypers.Select(hyper => hyper.Name))}."
            );
        }

        var values = new double[rule.Hypers.Count];
        _initial.CopyValues(values);
        return values;
    }
}
