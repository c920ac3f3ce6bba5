namespace Optim.Cli.Plot;

/// <summary>A function of two variables that optimizers are tried on.</summary>
/// <param name="Name">In names of files.</param>
/// <param name="Title">In pictures.</param>
/// <param name="Low">Lower left corner of the picture.</param>
/// <param name="Side">Width and height of the picture.</param>
/// <param name="Start">Where optimizers begin.</param>
/// <param name="Minimum">Where the function is smallest.</param>
/// <param name="Levels">Values whose contours are drawn, rising.</param>
/// <param name="Value">The function.</param>
/// <param name="Gradient">Its gradient.</param>
/// <param name="HessianDiagonal">The two unmixed second derivatives.</param>
internal sealed record TestFunction(
    string Name,
    string Title,
    Point Low,
    double Side,
    Point Start,
    Point Minimum,
    IReadOnlyList<double> Levels,
    Func<Point, double> Value,
    Func<Point, Point> Gradient,
    Func<Point, Point> HessianDiagonal)
{
    private const double Wave = 2 * Math.PI;

    /// <summary>(1 - x)^2 + 100 (y - x^2)^2: a bent valley, flat along its ground.</summary>
    public static readonly TestFunction Rosenbrock = new(
        "rosenbrock",
        "Rosenbrock",
        new Point(-2, -1),
        4,
        new Point(-1.5, 2.5),
        new Point(1, 1),
        [1, 4, 16, 64, 200, 500, 1000, 1800],
        p => Square(1 - p.X) + 100 * Square(p.Y - Square(p.X)),
        p => new Point(-2 * (1 - p.X) - 400 * p.X * (p.Y - Square(p.X)), 200 * (p.Y - Square(p.X))),
        p => new Point(2 - 400 * p.Y + 1200 * Square(p.X), 200));

    /// <summary>20 + x^2 - 10 cos(2 pi x) + y^2 - 10 cos(2 pi y): a bowl full of local minima.</summary>
    public static readonly TestFunction Rastrigin = new(
        "rastrigin",
        "Rastrigin",
        new Point(-2.5, -1.5),
        4,
        new Point(-1.7, 2.2),
        new Point(0, 0),
        [2, 6, 12, 18, 24, 32],
        p => 20 + Bump(p.X) + Bump(p.Y),
        p => new Point(Slope(p.X), Slope(p.Y)),
        p => new Point(Curvature(p.X), Curvature(p.Y)));

    public static readonly IReadOnlyList<TestFunction> All = [Rosenbrock, Rastrigin];

    /// <summary>What a rule may need beside gradients, by the names of the schemas; null if a function of two variables does not
    /// have that.</summary>
    public Func<Point, Point>? Input(string name) => name == "hessian" ? HessianDiagonal : null;

    private static double Square(double x) => x * x;

    private static double Bump(double x) => Square(x) - 10 * Math.Cos(Wave * x);

    private static double Slope(double x) => 2 * x + 10 * Wave * Math.Sin(Wave * x);

    private static double Curvature(double x) => 2 + 10 * Wave * Wave * Math.Cos(Wave * x);
}
