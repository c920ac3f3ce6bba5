namespace Optim;

/// <summary>An optimizer whose groups have options of their own.</summary>
/// <typeparam name="TOptions">The options record of the rule.</typeparam>
public abstract class Optimizer<TOptions> : Optimizer
    where TOptions : class, IOptimizerOptions<TOptions>, new()
{
    private protected Optimizer(
        Engine engine,
        IEnumerable<ParameterGroup<TOptions>> groups,
        Helpers? helpers,
        OptimizerStorage? storage
    )
        : base(TOptions.RuleName, engine, groups, helpers, storage) =>
        Groups = [.. base.Groups.Cast<ParameterGroup<TOptions>>()];

    /// <summary>The groups, with live options.</summary>
    public new IReadOnlyList<ParameterGroup<TOptions>> Groups { get; }
}
