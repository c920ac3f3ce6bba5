using Optim.Cli.Output;

namespace Optim.Cli.Commands;

/// <summary>The gradient helpers by the names of the command line, each with usual settings.</summary>
internal static class HelperSwitches
{
    private static readonly SortedDictionary<string, Func<Helpers, Helpers>> Switches = new(StringComparer.Ordinal)
    {
        ["agc"] = on => on with { AgcClipVal = 1e-2 },
        ["centralize"] = on => on with { Centralize = true },
        ["clip_norm"] = on => on with { ClipNorm = 1 },
        ["clip_value"] = on => on with { ClipValue = 1 },
        ["lookahead"] = on => on with { LookaheadK = 5, LookaheadAlpha = 0.5 },
        ["norm_loss"] = on => on with { NormLossFactor = 1e-4 },
        ["normalize"] = on => on with { Normalize = true },
        ["skip_nonfinite"] = on => on with { SkipNonfinite = true },
        ["stable_weight_decay"] = on => on with { StableWeightDecay = 1e-2 },
    };

    public static IReadOnlyCollection<string> Names => Switches.Keys;

    /// <summary>All of <paramref name="names"/> switched on.</summary>
    public static Helpers Parse(IEnumerable<string> names) =>
        names.Aggregate(
            new Helpers(),
            (helpers, name) =>
                Switches.TryGetValue(name, out var on)
                    ? on(helpers)
                    : throw new Failure($"there is no helper '{name}'; allowed are {string.Join(", ", Names)}"));
}
