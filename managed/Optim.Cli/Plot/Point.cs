namespace Optim.Cli.Plot;

/// <summary>A point of the plane, or a vector.</summary>
internal readonly record struct Point(double X, double Y)
{
    public bool IsFinite => double.IsFinite(X) && double.IsFinite(Y);

    public double DistanceTo(Point other) => double.Hypot(X - other.X, Y - other.Y);
}
