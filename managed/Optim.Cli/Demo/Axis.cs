namespace Optim.Cli.Demo;

/// <summary>A vertical axis, logarithmic where the values span more than one decade or so; ticks at 1, 2 and 5 times
/// powers of ten.</summary>
internal sealed class Axis
{
    // Beyond this ratio of the largest to the smallest value, a linear axis would hide the end of the curves.
    private const double LogarithmicFrom = 20;

    private static readonly double[] TickFactors = [1, 2, 5];
    private static readonly double[] LineFactors = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    private static readonly double[] LinearFactors = [1, 2, 5, 10];

    private readonly double _low;
    private readonly double _high;
    private readonly double _bottom;
    private readonly double _top;

    private Axis(bool logarithmic, double low, double high, double bottom, double top)
    {
        (Logarithmic, _low, _high, _bottom, _top) = (logarithmic, low, high, bottom, top);
        double[] steps = [.. (logarithmic ? Multiples(low, high, TickFactors) : LinearTicks(low, high))];
        double[] decades = [.. steps.Where(IsPowerOfTen)];
        // A decade alone labels too little when fewer than three of them are in sight.
        Major = !logarithmic || decades.Length < 3 ? steps : decades;
        Minor = logarithmic ? [.. Multiples(low, high, LineFactors).Except(Major)] : [];
    }

    public bool Logarithmic { get; }

    public IReadOnlyList<double> Major { get; }

    public IReadOnlyList<double> Minor { get; }

    public static Axis Over(IEnumerable<double> values, double bottom, double top)
    {
        double[] finite = [.. values.Where(double.IsFinite)];
        double smallest = finite.Length == 0 ? 0 : finite.Min();
        double largest = finite.Length == 0 ? 1 : finite.Max();
        bool logarithmic = smallest > 0 && largest / smallest > LogarithmicFrom;
        if (logarithmic)
        {
            return new Axis(true, smallest / 1.15, largest * 1.15, bottom, top);
        }
        double low = Math.Min(0, smallest);
        double high = largest > low ? low + (largest - low) * 1.05 : low + 1;
        return new Axis(false, low, high, bottom, top);
    }

    public bool Shows(double value) => double.IsFinite(value) && (!Logarithmic || value > 0);

    public double Position(double value)
    {
        double part = Logarithmic ? Math.Log(value / _low) / Math.Log(_high / _low) : (value - _low) / (_high - _low);
        return _bottom + (_top - _bottom) * part;
    }

    private static IEnumerable<double> Multiples(double low, double high, double[] factors)
    {
        for (int power = (int)Math.Floor(Math.Log10(low)); power <= Math.Log10(high); power++)
        {
            foreach (double factor in factors)
            {
                double value = Decimal(factor, power);
                if (value >= low && value <= high)
                {
                    yield return value;
                }
            }
        }
    }

    private static IEnumerable<double> LinearTicks(double low, double high)
    {
        double rough = (high - low) / 6;
        int power = (int)Math.Floor(Math.Log10(rough));
        double step = LinearFactors.Select(f => Decimal(f, power)).First(s => s >= rough * 0.999);
        for (double i = Math.Ceiling(low / step); i * step <= high; i++)
        {
            yield return Math.Round(i * step, Math.Max(0, 2 - power));
        }
    }

    private static bool IsPowerOfTen(double value) =>
        Math.Abs(Math.Log10(value) - Math.Round(Math.Log10(value))) < 1e-9;

    // Dividing by a positive power of ten is exact to rounding; multiplying by 0.1 is not.
    private static double Decimal(double factor, int power) =>
        power < 0 ? factor / Math.Pow(10, -power) : factor * Math.Pow(10, power);
}
