namespace Optim;

/// <summary>Learning rates as pure functions of the step n = 1, 2, ...: the value is for the step about to be made, as
/// in <c>group.LearningRate = LearningRateSchedule.Cosine(n, total, 1e-3)</c>.</summary>
public static class LearningRateSchedule
{
    /// <summary>Rises linearly to the learning rate within the first steps: lr min(1, n / warmupSteps).</summary>
    public static double LinearWarmup(long step, double learningRate, long warmupSteps)
    {
        CheckStep(step);
        CheckRate(learningRate, nameof(learningRate));
        ArgumentOutOfRangeException.ThrowIfLessThan(warmupSteps, 1);
        return learningRate * Math.Min(1, (double)step / warmupSteps);
    }

    /// <summary>Falls along half a cosine from the learning rate at step 1 to the minimum at step totalSteps + 1, and
    /// stays there (SGDR without restarts, arXiv 1608.03983).</summary>
    public static double CosineAnnealing(long step, long totalSteps, double learningRate, double minimum = 0)
    {
        CheckStep(step);
        ArgumentOutOfRangeException.ThrowIfLessThan(totalSteps, 1);
        CheckRate(learningRate, nameof(learningRate));
        CheckRate(minimum, nameof(minimum));
        return HalfCosine(learningRate, minimum, Math.Min(1, (double)(step - 1) / totalSteps));
    }

    /// <summary>Rises linearly from the initial rate at step 1 to the maximum, reached after the warm-up steps, then
    /// falls along half a cosine to the minimum, reached after totalSteps.</summary>
    public static double Cosine(
        long step,
        long totalSteps,
        double maximum,
        double minimum = 0,
        double initial = 0,
        long warmupSteps = 0
    )
    {
        CheckStep(step);
        ArgumentOutOfRangeException.ThrowIfLessThan(totalSteps, 1);
        CheckRate(maximum, nameof(maximum));
        CheckRate(minimum, nameof(minimum));
        CheckRate(initial, nameof(initial));
        ArgumentOutOfRangeException.ThrowIfNegative(warmupSteps);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(warmupSteps, totalSteps);
        var done = step - 1;
        return done < warmupSteps
            ? initial + ((maximum - initial) * done / warmupSteps)
            : HalfCosine(maximum, minimum, Math.Min(1, (double)(done - warmupSteps) / (totalSteps - warmupSteps)));
    }

    private static double HalfCosine(double from, double to, double fraction) =>
        to + ((from - to) * (1 + Math.Cos(Math.PI * fraction)) / 2);

    private static void CheckStep(long step) => ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);

    private static void CheckRate(double rate, string parameterName)
    {
        if (!double.IsFinite(rate) || rate < 0)
        {
            throw new ArgumentOutOfRangeException(parameterName, rate, "A learning rate is a finite number >= 0.");
        }
    }
}
