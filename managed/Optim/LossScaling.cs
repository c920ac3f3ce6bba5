using Optim.Interop;

namespace Optim;

/// <summary>A rule by which a <see cref="GradientScaler"/> moves its scale: <see cref="AmpScaling"/> or
/// <see cref="FairseqScaling"/>.</summary>
public abstract record LossScaling
{
    private protected LossScaling() { }

    /// <summary>What the scale starts with; a normal Float32.</summary>
    public abstract double InitScale { get; init; }

    internal abstract NativeLossScaleOptions ToNative();

    /// <summary>Numbers of the settings and of the state, by their names in state dictionaries.</summary>
    internal abstract Dictionary<string, double> Save(in NativeLossScale state);

    /// <summary>The settings and the state that a dictionary with exactly the names of <see cref="Save"/>
    /// holds.</summary>
    internal abstract (LossScaling Scaling, NativeLossScale State) Load(Func<string, double> number);

    // The native library takes 0 for "default".
    private protected static double NotZero(double value, string name) =>
        value != 0
            ? value
            : throw new ArgumentOutOfRangeException(name, value, $"{name} is 0; it must be greater than that.");

    private protected static long Whole(Func<string, double> number, string name, double minimum, double maximum)
    {
        var value = number(name);
        return value == Math.Floor(value) && value >= minimum && value <= maximum
            ? (long)value
            : throw new OptimException(
                $"The state of the gradient scaler has {name} = {value:R}; allowed are whole numbers from {minimum:R} to {maximum:R}."
            );
    }
}

/// <summary>The rule of torch.amp.GradScaler: the scale falls at every overflow, and grows after an interval of steps
/// without one.</summary>
public sealed record AmpScaling : LossScaling
{
    private const double MostSteps = 1L << 53;

    /// <inheritdoc/>
    public override double InitScale { get; init; } = 65536;

    /// <summary>Factor of growth, greater than 1.</summary>
    public double GrowthFactor { get; init; } = 2;

    /// <summary>Factor after an overflow, in (0, 1).</summary>
    public double BackoffFactor { get; init; } = 0.5;

    /// <summary>Number of steps without overflow after which the scale grows, at least 1.</summary>
    public long GrowthInterval { get; init; } = 2000;

    internal override unsafe NativeLossScaleOptions ToNative() =>
        new()
        {
            Size = (ulong)sizeof(NativeLossScaleOptions),
            Rule = Native.LOSS_SCALE_AMP,
            InitScale = NotZero(InitScale, nameof(InitScale)),
            GrowthFactor = NotZero(GrowthFactor, nameof(GrowthFactor)),
            BackoffFactor = NotZero(BackoffFactor, nameof(BackoffFactor)),
            GrowthInterval = (long)NotZero(GrowthInterval, nameof(GrowthInterval)),
        };

    internal override Dictionary<string, double> Save(in NativeLossScale state) =>
        new()
        {
            ["scale"] = state.Scale,
            ["growth_factor"] = GrowthFactor,
            ["backoff_factor"] = BackoffFactor,
            ["growth_interval"] = GrowthInterval,
            ["_growth_tracker"] = state.GrowthTracker,
        };

    internal override (LossScaling Scaling, NativeLossScale State) Load(Func<string, double> number) =>
        (
            this with
            {
                InitScale = number("scale"),
                GrowthFactor = number("growth_factor"),
                BackoffFactor = number("backoff_factor"),
                GrowthInterval = Whole(number, "growth_interval", 1, MostSteps),
            },
            new NativeLossScale
            {
                Scale = (float)number("scale"),
                GrowthTracker = Whole(number, "_growth_tracker", 0, MostSteps),
                LastOverflow = -1,
                LastRescale = -1,
            }
        );
}

/// <summary>The rule of fairseq's DynamicLossScaler: the scale falls when the share of overflows since its last change
/// has reached a tolerance, and grows after a window of steps without overflow.</summary>
public sealed record FairseqScaling : LossScaling
{
    private const double MostSteps = 1L << 53;

    /// <inheritdoc/>
    public override double InitScale { get; init; } = 32768;

    /// <summary>Factor of growth and divisor of decrease, greater than 1.</summary>
    public double ScaleFactor { get; init; } = 2;

    /// <summary>Number of steps without overflow after which the scale grows, at least 1.</summary>
    public long ScaleWindow { get; init; } = 2000;

    /// <summary>Share of overflows that does not yet lower the scale, in [0, 1].</summary>
    public double Tolerance { get; init; }

    /// <summary>The scale does not fall below it; 0 = none.</summary>
    public double Threshold { get; init; }

    /// <summary>A scale that would fall to it or below is restored, and <see cref="GradientScaler.HasFailed"/>; 0 =
    /// none.</summary>
    public double MinLossScale { get; init; } = 1.0 / 32;

    internal override unsafe NativeLossScaleOptions ToNative() =>
        new()
        {
            Size = (ulong)sizeof(NativeLossScaleOptions),
            Rule = Native.LOSS_SCALE_FAIRSEQ,
            InitScale = NotZero(InitScale, nameof(InitScale)),
            GrowthFactor = NotZero(ScaleFactor, nameof(ScaleFactor)),
            GrowthInterval = (long)NotZero(ScaleWindow, nameof(ScaleWindow)),
            Tolerance = Tolerance,
            Threshold = Threshold,
            MinScale = MinLossScale == 0 ? -1 : MinLossScale,
        };

    internal override Dictionary<string, double> Save(in NativeLossScale state) =>
        new()
        {
            ["scale"] = state.Scale,
            ["scale_factor"] = ScaleFactor,
            ["scale_window"] = ScaleWindow,
            ["tolerance"] = Tolerance,
            ["threshold"] = Threshold,
            ["min_loss_scale"] = MinLossScale,
            ["_iter"] = state.Iteration,
            ["_last_overflow_iter"] = state.LastOverflow,
            ["_last_rescale_iter"] = state.LastRescale,
            ["_overflows_since_rescale"] = state.Overflows,
            ["_failed"] = state.Failed,
        };

    internal override (LossScaling Scaling, NativeLossScale State) Load(Func<string, double> number)
    {
        var iteration = Whole(number, "_iter", 0, MostSteps);
        return (
            this with
            {
                InitScale = number("scale"),
                ScaleFactor = number("scale_factor"),
                ScaleWindow = Whole(number, "scale_window", 1, MostSteps),
                Tolerance = number("tolerance"),
                Threshold = number("threshold"),
                MinLossScale = number("min_loss_scale"),
            },
            new NativeLossScale
            {
                Scale = (float)number("scale"),
                Failed = (int)Whole(number, "_failed", 0, 1),
                Iteration = iteration,
                LastOverflow = Whole(number, "_last_overflow_iter", -1, iteration - 1),
                LastRescale = Whole(number, "_last_rescale_iter", -1, iteration - 1),
                Overflows = Whole(number, "_overflows_since_rescale", 0, iteration),
            }
        );
    }
}
