using System.Globalization;
using System.Text;
using System.Xml.Linq;

namespace Optim.Cli.Demo;

/// <summary>One curve: a value for every epoch, beginning with epoch 1.</summary>
internal sealed record LossCurve(string Name, IReadOnlyList<double> Values)
{
    public double Final => Values.Count > 0 ? Values[^1] : double.NaN;
}

/// <summary>Draws loss curves as one self-contained SVG that reads well on light and on dark pages.</summary>
internal sealed class LossChart
{
    private const double Width = 1000, Left = 78, Top = 84, Right = 770, LegendLeft = 796, LegendRight = Width - 16;
    private const double LegendRow = 24, SmallestHeight = 430, BottomMargin = 66;
    private const int MostTicks = 10;

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private static readonly int[] TickSteps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

    private readonly IReadOnlyList<LossCurve> _curves;
    private readonly int _epochs;
    private readonly double _bottom;
    private readonly Axis _losses;

    private LossChart(IReadOnlyList<LossCurve> curves)
    {
        _curves = curves;
        _epochs = curves.Select(curve => curve.Values.Count).Append(1).Max();
        _bottom = Top + Math.Max(SmallestHeight, (curves.Count + 1) * LegendRow);
        _losses = Axis.Over(curves.SelectMany(curve => curve.Values), _bottom, Top);
    }

    private double Height => _bottom + BottomMargin;

    public static XDocument Draw(string title, string subtitle, IReadOnlyList<LossCurve> curves)
    {
        var chart = new LossChart(curves);
        return new XDocument(
            new XDeclaration("1.0", "utf-8", null),
            Element(
                "svg",
                [
                    ("viewBox", $"0 0 {Number(Width)} {Number(chart.Height)}"),
                    ("role", "img"),
                    ("font-family", ChartStyle.Font),
                ],
                new XElement(Svg + "title", title),
                new XElement(Svg + "desc", subtitle),
                new XElement(Svg + "style", ChartStyle.Sheet),
                Element("rect", [("class", "page"), ("width", Number(Width)), ("height", Number(chart.Height))]),
                Text(Left, 38, "heading", "start", title),
                Text(Left, 62, "soft", "start", subtitle),
                chart.LossAxis(),
                chart.EpochAxis(),
                chart._curves.Select(chart.Curve),
                chart.Legend()));
    }

    private IEnumerable<XElement> LossAxis()
    {
        foreach (double loss in _losses.Minor)
        {
            yield return Line("minor", Left, _losses.Position(loss), Right, _losses.Position(loss));
        }

        foreach (double loss in _losses.Major)
        {
            double y = _losses.Position(loss);
            yield return Line("grid", Left, y, Right, y);
            yield return Text(Left - 10, y + 4, "tick", "end", loss.ToString("0.######", CultureInfo.InvariantCulture));
        }

        var name = Text(0, 0, "soft", "middle", _losses.Logarithmic ? "training loss (logarithmic)" : "training loss");
        name.SetAttributeValue("transform", $"translate(22 {Number((Top + _bottom) / 2)}) rotate(-90)");
        yield return name;
    }

    private IEnumerable<XElement> EpochAxis()
    {
        yield return Line("axis", Left, _bottom, Right, _bottom);
        int step = TickSteps.First(step => _epochs / step <= MostTicks || step == TickSteps[^1]);
        for (int epoch = 1; epoch <= _epochs; epoch = epoch < step ? step : epoch + step)
        {
            yield return Line("axis", X(epoch), _bottom, X(epoch), _bottom + 5);
            yield return Text(X(epoch), _bottom + 21, "tick", "middle", epoch.ToString(CultureInfo.InvariantCulture));
        }

        yield return Text((Left + Right) / 2, _bottom + 48, "soft", "middle", "epoch");
    }

    private XElement Curve(LossCurve curve, int index)
    {
        var path = new StringBuilder();
        bool drawing = false;
        for (int i = 0; i < curve.Values.Count; i++)
        {
            bool visible = _losses.Shows(curve.Values[i]);
            if (visible)
            {
                double y = _losses.Position(curve.Values[i]);
                path.Append(drawing ? 'L' : 'M').Append(Number(X(i + 1))).Append(' ').Append(Number(y));
            }

            drawing = visible; // a loss that cannot be shown leaves a gap
        }

        return Stroke(index, path.ToString(), new XElement(Svg + "title", $"{curve.Name}: {FinalLoss(curve)}"));
    }

    /// <summary>Sorted by the final loss; the colours are those of the curves, in the caller's order.</summary>
    private IEnumerable<XElement> Legend()
    {
        double y = Top + 12;
        var ranked = _curves.Index().OrderBy(
            entry => double.IsFinite(entry.Item.Final) ? entry.Item.Final : double.MaxValue);
        foreach ((int index, LossCurve curve) in ranked)
        {
            yield return Stroke(index, $"M{Number(LegendLeft)} {Number(y - 4)}h26");
            yield return Text(LegendLeft + 34, y, "name", "start", curve.Name);
            yield return Text(LegendRight, y, "tick", "end", FinalLoss(curve));
            y += LegendRow;
        }
    }

    private double X(int epoch) =>
        _epochs == 1 ? (Left + Right) / 2 : Left + ((Right - Left) * (epoch - 1) / (_epochs - 1));

    private static string FinalLoss(LossCurve curve) =>
        double.IsFinite(curve.Final) ? curve.Final.ToString("0.0000", CultureInfo.InvariantCulture) : "diverged";

    private static XElement Stroke(int index, string path, params object[] content) => Element(
        "path",
        [("class", $"curve {ChartStyle.Colour(index)}"), ("stroke-dasharray", ChartStyle.Dash(index)), ("d", path)],
        content);

    private static XElement Text(double x, double y, string kind, string anchor, string content) => Element(
        "text", [("x", Number(x)), ("y", Number(y)), ("class", kind), ("text-anchor", anchor)], content);

    private static XElement Line(string kind, double x1, double y1, double x2, double y2) => Element(
        "line", [("class", kind), ("x1", Number(x1)), ("y1", Number(y1)), ("x2", Number(x2)), ("y2", Number(y2))]);

    private static XElement Element(string name, (string Name, string Value)[] attributes, params object[] content) =>
        new(Svg + name, attributes.Select(attribute => new XAttribute(attribute.Name, attribute.Value)), content);

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
