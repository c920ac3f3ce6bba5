namespace Optim.Cli.Demo;

/// <summary>What all optimizers of one demo share: data, network, initial weights, order of batches, noise.</summary>
internal sealed record TrainingPlan(DigitSet Training, DigitSet Test, int Epochs, int Seed)
{
    public const int Batch = 32;

    /// <summary>Widths of the layers, from pixels to classes.</summary>
    public static readonly IReadOnlyList<int> Widths = [Digits.Pixels, 96, 48, Digits.Classes];

    // Pixels lie in -1 ... 1. Noise of this standard deviation keeps the small training set from being learned by
    // heart.
    private const double Noise = 0.3;

    public int BatchesPerEpoch => Training.Count / Batch;

    public int Steps => Epochs * BatchesPerEpoch;

    /// <summary>Steps of rising learning rates: an epoch, unless there are few.</summary>
    public int WarmupSteps => Math.Min(BatchesPerEpoch, Steps / 3);

    public static TrainingPlan Create(int epochs, int seed)
    {
        (DigitSet training, DigitSet test) = Digits.Split(Digits.Load(), seed);
        return new TrainingPlan(training, test, epochs, seed);
    }

    /// <summary>The batches of all epochs, the same at every call.</summary>
    public IEnumerable<DigitSet> Batches()
    {
        var random = new Random(Seed);
        int[] order = [.. Enumerable.Range(0, Training.Count)];
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            random.Shuffle(order);
            for (int i = 0; i < BatchesPerEpoch; i++)
            {
                DigitSet batch = Training.Select(order.AsSpan(i * Batch, Batch));
                AddNoise(batch.Images, random);
                yield return batch;
            }
        }
    }

    // The sum of three uniform numbers is near enough to a normal one: its variance is 3/12.
    private static void AddNoise(Span<float> images, Random random)
    {
        foreach (ref float pixel in images)
        {
            double sum = random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5;
            pixel += (float)(Noise * sum / Math.Sqrt(0.25));
        }
    }
}
