namespace Optim.Cli.Plot;

/// <summary>The path of a rule down a test function, by real steps of the library on one parameter of two elements.</summary>
/// <param name="LearningRate">The one of the grid that ended nearest the minimum.</param>
/// <param name="Points">The start, then the parameter after each step, as far as it is finite.</param>
internal sealed record Descent(double LearningRate, IReadOnlyList<Point> Points)
{
    public const int Steps = 250;

    // Points at the end whose mean distance decides: a path that only happens to cross the minimum last must not win.
    private const int Judged = 25;

    // 1e-5, 2e-5, 5e-5, ..., 5.
    private static readonly double[] LearningRates =
        [.. from power in Enumerable.Range(-5, 6) from factor in new[] { 1, 2, 5 } select factor * Math.Pow(10, power)];

    /// <summary>Whether a rule can be drawn: a test function has gradients and nothing else that a rule may need.</summary>
    public static bool Supports(RuleSchema rule) => rule.Needs.Count == 0;

    /// <summary>The best of all learning rates of the grid, the other hyper-parameters being the defaults; the smallest of
    /// equally good ones.</summary>
    public static Descent Best(Engine engine, RuleSchema rule, TestFunction function) =>
        LearningRates.Select(rate => Run(engine, rule, function, rate)).MinBy(path => path.Distance(function.Minimum))!;

    private static Descent Run(Engine engine, RuleSchema rule, TestFunction function, double learningRate)
    {
        using var value = Tensor.Allocate(engine, DType.Float32, 2);
        using var gradient = Tensor.Allocate(engine, DType.Float32, 2);
        Write(value, function.Start);
        using var optimizer = Optimizer.Create(
            rule.Name,
            engine,
            [new Parameter(value, gradient)],
            RunLength.AddTo(new Dictionary<string, double> { ["lr"] = learningRate }, rule, Steps));
        var points = new List<Point> { Read(value) };
        while (points.Count <= Steps)
        {
            Write(gradient, function.Gradient(points[^1]));
            optimizer.Step();
            if (!Read(value).IsFinite)
            {
                break;
            }

            points.Add(Read(value));
        }

        return new Descent(learningRate, points);
    }

    private double Distance(Point minimum) =>
        Points.Count <= Steps
            ? double.PositiveInfinity
            : Points.TakeLast(Judged).Average(point => point.DistanceTo(minimum));

    private static Point Read(Tensor tensor) => new(tensor.AsSpan<float>()[0], tensor.AsSpan<float>()[1]);

    private static void Write(Tensor tensor, Point point)
    {
        Span<float> elements = tensor.AsSpan<float>();
        (elements[0], elements[1]) = ((float)point.X, (float)point.Y);
    }
}
