namespace Optim.Cli;

/// <summary>Rules with a schedule of their own must know how many steps a training has.</summary>
internal static class RunLength
{
    private const string Hyper = "num_iterations";

    /// <summary>The values with the number of steps, where the rule has a hyper-parameter for it that is not set.</summary>
    public static IReadOnlyDictionary<string, double> AddTo(
        IReadOnlyDictionary<string, double> hypers,
        RuleSchema rule,
        int steps) =>
        rule.Hypers.Any(hyper => hyper.Name == Hyper) && !hypers.ContainsKey(Hyper)
            ? new Dictionary<string, double>(hypers) { [Hyper] = steps }
            : hypers;
}
