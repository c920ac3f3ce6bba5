namespace Optim.Cli.Replay;

/// <summary>How the golden cases name helpers and their hyper-parameters, in terms of <see cref="Helpers"/>.</summary>
internal static class GoldenHelpers
{
    /// <summary>The item of cases whose rule is named by the hyper-parameter "base".</summary>
    public const string Wrapper = "lookahead";

    /// <summary>The item of cases of sharpness-aware minimization, whose rule is sgd.</summary>
    public const string Sam = "sam";

    private static readonly Dictionary<string, Mapping> Table = new()
    {
        ["agc"] = new(
            ["agc_clip_val", "agc_eps", "eps"],
            h => new Helpers
            {
                AgcClipVal = h.Number("agc_clip_val"),
                AgcEpsilon = h.Number("agc_eps"),
                AgcDivisionEpsilon = h.Number("eps"),
            }
        ),
        ["gc"] = new(
            ["gc_conv_only"],
            h => new Helpers { Centralize = true, CentralizeConvOnly = h.Flag("gc_conv_only") }
        ),
        ["gradnorm"] = new(
            ["use_channels", "epsilon"],
            h => new Helpers
            {
                Normalize = true,
                NormalizeChannels = h.Flag("use_channels"),
                NormalizeEpsilon = h.Number("epsilon"),
            }
        ),
        ["normloss"] = new(
            ["norm_loss_factor", "eps"],
            h => new Helpers { NormLossFactor = h.Number("norm_loss_factor"), NormLossEpsilon = h.Number("eps") }
        ),
        [Sam] = new(["rho", "adaptive", "perturb_eps"], _ => new Helpers()),
        [Wrapper] = new(
            ["base", "k", "alpha", "pullback_momentum"],
            h => new Helpers
            {
                LookaheadK = (int)h.Integer("k"),
                LookaheadAlpha = h.Number("alpha"),
                LookaheadPullback = h.Choice<LookaheadPullback>("pullback_momentum"),
            }
        ),
    };

    /// <summary>Splits an item into its rule and the helper around it: "rule", "rule+helper", or the wrapper with its
    /// base.</summary>
    public static (string Rule, string? Helper) Split(string item, GoldenHypers hypers)
    {
        if (item == Wrapper)
        {
            return (hypers.Word("base"), Wrapper);
        }

        if (item == Sam)
        {
            return ("sgd", Sam);
        }

        int plus = item.IndexOf('+', StringComparison.Ordinal);
        return plus < 0 ? (item, null) : (item[..plus], item[(plus + 1)..]);
    }

    public static bool Knows(string? helper) => helper is null || Table.ContainsKey(helper);

    public static Helpers Make(string? helper, GoldenHypers hypers) =>
        helper is null ? new Helpers() : Table[helper].Make(hypers);

    /// <summary>Those of sharpness-aware minimization. Its trajectories leave out what they do not use.</summary>
    public static SharpnessOptions Sharpness(GoldenHypers hypers) =>
        new()
        {
            Rho = hypers.Number("rho"),
            Adaptive = hypers.Flag("adaptive"),
            PerturbEpsilon = hypers.Number("perturb_eps"),
            UseGc = hypers.Has("use_gc") && hypers.Flag("use_gc"),
            AsamEta = hypers.Has("asam_eta") ? hypers.Number("asam_eta") : 0,
        };

    /// <summary>Whether a hyper-parameter of the case belongs to the rule. The wrapper's cases list those of every
    /// base.</summary>
    public static bool BelongsToRule(string name, string? helper, RuleSchema rule) =>
        helper is null
        || (helper == Wrapper ? rule.Hypers.Any(hyper => hyper.Name == name) : !Table[helper].Names.Contains(name));

    private sealed record Mapping(string[] Names, Func<GoldenHypers, Helpers> Make);
}
