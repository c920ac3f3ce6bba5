namespace Optim.Cli.Plot;

/// <summary>The path of a rule down a test function, by real steps of the library on one parameter of two elements.</summary>
/// <param name="LearningRate">The one of the grid that ended lowest.</param>
/// <param name="Points">The start, then the parameter after each step, as far as it is finite.</param>
internal sealed record Descent(double LearningRate, IReadOnlyList<Point> Points)
{
    public const int Steps = 400;

    // Points at the end whose mean value decides: a path that only happens to cross the minimum last must not win.
    private const int Judged = 40;

    // 1e-5, 2e-5, 5e-5, ..., 5.
    private static readonly double[] LearningRates =
        [.. from power in Enumerable.Range(-5, 6) from factor in new[] { 1, 2, 5 } select factor * Math.Pow(10, power)];

    /// <summary>Whether a rule can be drawn: the functions have all that it needs.</summary>
    public static bool Supports(RuleSchema rule) =>
        rule.Needs.All(name => TestFunction.All.All(function => function.Input(name) is not null));

    /// <summary>The best of all learning rates of the grid, the other hyper-parameters being the defaults; the smallest of
    /// equally good ones.</summary>
    public static Descent Best(Engine engine, RuleSchema rule, TestFunction function) =>
        LearningRates.Select(rate => Run(engine, rule, function, rate)).MinBy(path => path.Score(function))!;

    private static Descent Run(Engine engine, RuleSchema rule, TestFunction function, double learningRate)
    {
        using var value = Tensor.Allocate(engine, DType.Float32, 2);
        using var gradient = Tensor.Allocate(engine, DType.Float32, 2);
        Write(value, function.Start);
        var parameter = new Parameter(value, gradient);
        using var inputs = new Inputs(engine, rule, parameter);

        using var optimizer = Optimizer.Create(
            rule.Name,
            engine,
            [parameter],
            RunLength.AddTo(new Dictionary<string, double> { ["lr"] = learningRate }, rule, Steps));
        var points = new List<Point> { Read(value) };
        while (points.Count <= Steps)
        {
            Write(gradient, function.Gradient(points[^1]));
            inputs.Write(function, points[^1]);
            optimizer.Step();
            if (!Read(value).IsFinite)
            {
                break;
            }

            points.Add(Read(value));
        }

        return new Descent(learningRate, points);
    }

    private double Score(TestFunction function) =>
        Points.Count <= Steps ? double.PositiveInfinity : Points.TakeLast(Judged).Average(function.Value);

    private static Point Read(Tensor tensor) => new(tensor.AsSpan<float>()[0], tensor.AsSpan<float>()[1]);

    private static void Write(Tensor tensor, Point point)
    {
        Span<float> elements = tensor.AsSpan<float>();
        (elements[0], elements[1]) = ((float)point.X, (float)point.Y);
    }

    // The buffers of what a rule needs beside gradients.
    private sealed class Inputs : IDisposable
    {
        private readonly (string Name, Tensor Tensor)[] _inputs;

        public Inputs(Engine engine, RuleSchema rule, Parameter parameter)
        {
            _inputs = [.. rule.Needs.Select(name => (name, Tensor.Allocate(engine, DType.Float32, 2)))];
            foreach ((string name, Tensor tensor) in _inputs)
            {
                parameter.Inputs[name] = tensor;
            }
        }

        public void Write(TestFunction function, Point point)
        {
            foreach ((string name, Tensor tensor) in _inputs)
            {
                Descent.Write(tensor, function.Input(name)!(point));
            }
        }

        public void Dispose() => Array.ForEach(_inputs, input => input.Tensor.Dispose());
    }
}
