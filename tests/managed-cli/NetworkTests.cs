using Optim.Cli.Demo;

namespace Optim.Cli.Tests;

public sealed class NetworkTests
{
    private static readonly int[] Widths = [Digits.Pixels, 7, 5, Digits.Classes];

    /// <summary>Every tenth gradient against (L(x + h) - L(x - h)) / 2h in float64.</summary>
    [Fact]
    public void Gradients_are_those_of_finite_differences()
    {
        const double h = 1e-6;
        using var host = new Engine();
        using var network = new Network<double>(host, Widths, seed: 1);
        DigitSet batch = Digits.Load().Select([3, 141, 592, 653, 589]);
        network.Train(batch.Images, batch.Labels);
        (Tensor Value, double[] Gradient)[] parameters =
        [
            .. network.Parameters.Select(p => (p.Value, p.Gradient.ToDoubles())),
        ];

        int nonZero = 0;
        foreach ((Tensor value, double[] gradient) in parameters)
        {
            for (int i = 0; i < gradient.Length; i += gradient.Length > 20 ? 10 : 1)
            {
                double expected = (LossWith(h) - LossWith(-h)) / (2 * h);
                Assert.Equal(expected, gradient[i], 1e-7);
                nonZero += gradient[i] != 0 ? 1 : 0;

                double LossWith(double change)
                {
                    double old = value.AsSpan<double>()[i];
                    value.AsSpan<double>()[i] = old + change;
                    double loss = network.Evaluate(batch).Loss;
                    value.AsSpan<double>()[i] = old;
                    return loss;
                }
            }
        }
        Assert.InRange(nonZero, 50, int.MaxValue);
    }

    [Fact]
    public void Single_precision_agrees_with_double()
    {
        using var host = new Engine();
        using var single = new Network<float>(host, Widths, seed: 2);
        using var twice = new Network<double>(host, Widths, seed: 2);
        DigitSet batch = Digits.Load().Select([1, 2, 3, 4, 5, 6, 7, 8]);
        Assert.Equal(twice.Train(batch.Images, batch.Labels), single.Train(batch.Images, batch.Labels), 1e-5);
        foreach (var (a, b) in single.Parameters.Zip(twice.Parameters))
        {
            Assert.All(
                a.Gradient.ToDoubles().Zip(b.Gradient.ToDoubles()),
                pair => Assert.Equal(pair.Second, pair.First, 1e-5));
        }
    }

    [Fact]
    public void Initial_weights_depend_on_the_seed_alone()
    {
        using var host = new Engine();
        using var first = new Network<float>(host, Widths, seed: 4);
        using var second = new Network<float>(host, Widths, seed: 4);
        using var other = new Network<float>(host, Widths, seed: 5);
        Assert.Equal(Weights(first), Weights(second));
        Assert.NotEqual(Weights(first), Weights(other));

        static IEnumerable<double> Weights(Network<float> network) =>
            network.Parameters.SelectMany(p => p.Value.ToDoubles()).ToArray();
    }
}
