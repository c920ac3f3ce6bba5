using System.Globalization;

namespace Optim.Cli.Output;

/// <summary>Numbers as people read them.</summary>
internal static class NumberText
{
    /// <summary>A duration with a fitting unit: "1.23 s", "45.6 ms", "789 us".</summary>
    public static string Duration(double seconds) =>
        seconds switch
        {
            >= 1 => Significant(seconds) + " s",
            >= 1e-3 => Significant(seconds * 1e3) + " ms",
            _ => Significant(seconds * 1e6) + " us",
        };

    /// <summary>Three significant digits of everyday sizes.</summary>
    public static string Significant(double value)
    {
        double size = Math.Abs(value);
        string format =
            size >= 100 ? "0"
            : size >= 10 ? "0.0"
            : size >= 0.1 ? "0.00"
            : "0.00##";
        return value.ToString(format, CultureInfo.InvariantCulture);
    }

    /// <summary>With thousands separated: "1,437".</summary>
    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>At most two decimals: "8", "12.04".</summary>
    public static string Short(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
