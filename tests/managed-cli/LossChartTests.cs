using System.Globalization;
using System.Xml.Linq;
using Optim.Cli.Demo;

namespace Optim.Cli.Tests;

public sealed class LossChartTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Chart_is_sound_xml_with_one_curve_and_one_legend_entry_each()
    {
        LossCurve[] curves =
        [
            .. Enumerable
                .Range(0, 23)
                .Select(i => new LossCurve($"rule <{i}> & \"more\"", [2.3, 1.0 / (i + 1), 0.5 / (i + 1)])),
        ];
        XDocument chart = Reread(LossChart.Draw("A title", "a <subtitle>", curves));
        Assert.Equal(2 * curves.Length, Curves(chart).Count());
        Assert.All(curves, curve => Assert.Contains(chart.Descendants(Svg + "text"), text => text.Value == curve.Name));
    }

    [Fact]
    public void Chart_refers_to_nothing_outside_and_serves_dark_pages()
    {
        string text = LossChart.Draw("t", "s", [new LossCurve("a", [1, 0.1])]).ToString();
        Assert.Equal(1, text.Split("http").Length - 1);
        Assert.DoesNotContain("href", text, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme:dark", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1.0, 0.001)]
    [InlineData(2.3, 2.1)]
    [InlineData(0.0, 0.0)]
    public void Curves_stay_inside_the_picture(double first, double last)
    {
        XDocument chart = Reread(LossChart.Draw("t", "s", [new LossCurve("a", [first, (first + last) / 2, last])]));
        double[] size = [.. chart.Root!.Attribute("viewBox")!.Value.Split(' ').Select(Number)];
        foreach (XElement curve in Curves(chart))
        {
            double[] numbers =
            [
                .. curve
                    .Attribute("d")!
                    .Value.Split(['M', 'L', ' ', 'h'], StringSplitOptions.RemoveEmptyEntries)
                    .Select(Number),
            ];
            Assert.All(numbers, number => Assert.InRange(number, 0, size[2]));
        }
    }

    [Fact]
    public void A_diverged_curve_breaks_off_and_says_so()
    {
        XDocument chart = Reread(
            LossChart.Draw(
                "t",
                "s",
                [new LossCurve("a", [1, double.PositiveInfinity, double.NaN]), new LossCurve("b", [1, 0.5, 0.1])]
            ));
        Assert.Contains(chart.Descendants(Svg + "text"), text => text.Value == "diverged");
        Assert.DoesNotContain("NaN", chart.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("Infinity", chart.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Axis_is_logarithmic_over_decades_only_and_its_ticks_lie_between_its_ends()
    {
        Axis wide = Axis.Over([2.3, 0.002], bottom: 500, top: 100),
            narrow = Axis.Over([2.3, 1.9], bottom: 500, top: 100);
        Assert.True(wide.Logarithmic);
        Assert.False(narrow.Logarithmic);
        foreach (Axis axis in new[] { wide, narrow })
        {
            Assert.InRange(axis.Major.Count, 3, 12);
            Assert.All(axis.Major.Concat(axis.Minor), tick => Assert.InRange(axis.Position(tick), 100, 500));
            Assert.Equal(axis.Major.Order(), axis.Major);
        }
        Assert.Equal([0.01, 0.1, 1], wide.Major);
    }

    private static XDocument Reread(XDocument chart) => XDocument.Parse(chart.ToString());

    private static IEnumerable<XElement> Curves(XDocument chart) =>
        chart
            .Descendants(Svg + "path")
            .Where(path => path.Attribute("class")!.Value.StartsWith("curve ", StringComparison.Ordinal));

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
