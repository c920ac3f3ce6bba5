namespace Optim;

/// <summary>Options of one rule, as a row of numbers in the order of the rule's schema.</summary>
/// <typeparam name="TSelf">The options record itself.</typeparam>
public interface IOptimizerOptions<TSelf>
    where TSelf : class, IOptimizerOptions<TSelf>, new()
{
    /// <summary>Name of the rule in the catalogue.</summary>
    static abstract string RuleName { get; }

    /// <summary>Names of the hyper-parameters in the order of the row.</summary>
    static abstract IReadOnlyList<string> HyperNames { get; }

    /// <summary>Reads a row.</summary>
    static abstract TSelf FromValues(ReadOnlySpan<double> values);

    /// <summary>Writes the row.</summary>
    void CopyValues(Span<double> values);
}
