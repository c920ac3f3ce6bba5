using Optim.Cli.Demo;

namespace Optim.Cli.Tests;

public sealed class DigitsTests
{
    [Fact]
    public void All_digits_are_there()
    {
        DigitSet digits = Digits.Load();
        Assert.Equal(1797, digits.Count);
        Assert.Equal(Enumerable.Range(0, Digits.Classes), digits.Labels.Distinct().Order());
        Assert.Equal(-1, digits.Images.Min());
        Assert.Equal(1, digits.Images.Max());
    }

    [Fact]
    public void Split_holds_out_a_fifth_and_loses_nothing()
    {
        DigitSet digits = Digits.Load();
        (DigitSet training, DigitSet test) = Digits.Split(digits, seed: 3);
        Assert.Equal(359, test.Count);
        Assert.Equal(digits.Count, training.Count + test.Count);
        Assert.Equal(Images(digits), Images(training).Concat(Images(test)).Order());
    }

    [Fact]
    public void Split_depends_on_the_seed_alone()
    {
        DigitSet digits = Digits.Load();
        Assert.Equal(Digits.Split(digits, 5).Test.Images, Digits.Split(digits, 5).Test.Images);
        Assert.NotEqual(Digits.Split(digits, 5).Test.Images, Digits.Split(digits, 6).Test.Images);
    }

    [Theory]
    [InlineData(3, 0, "4 fields")]
    [InlineData(Digits.Pixels, 10, "label 10")]
    public void A_bad_line_is_named(int pixels, int label, string part)
    {
        using var text = new StringReader(string.Join(',', Enumerable.Repeat(0, pixels).Append(label)));
        var error = Assert.Throws<InvalidDataException>(() => Digits.Parse(text));
        Assert.Contains("line 1", error.Message, StringComparison.Ordinal);
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Batches_are_the_same_every_time_and_differ_between_epochs()
    {
        var plan = TrainingPlan.Create(epochs: 2, seed: 1);
        DigitSet[] first = [.. plan.Batches()],
            second = [.. plan.Batches()];
        Assert.Equal(plan.Steps, first.Length);
        Assert.All(first.Zip(second), pair => Assert.Equal(pair.First.Images, pair.Second.Images));
        Assert.NotEqual(first[0].Labels, first[plan.BatchesPerEpoch].Labels);
    }

    // Each image with its label as a text, sorted: a set that can be compared whatever the order.
    private static IEnumerable<string> Images(DigitSet set) =>
        Enumerable
            .Range(0, set.Count)
            .Select(i => $"{set.Labels[i]}: {string.Join(' ', set.Image(i).ToArray())}")
            .Order();
}
