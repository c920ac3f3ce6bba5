using System.Globalization;
using System.Xml.Linq;
using Optim.Cli.Demo;

namespace Optim.Cli.Plot;

/// <summary>Draws the path of an optimizer over the contours of a test function as one self-contained SVG, the same to the byte
/// at every run.</summary>
internal sealed class PathPicture
{
    // The picture has this many units a side below a heading; coordinates are whole.
    private const int Side = 800, Heading = 84, Cells = 96;
    private const double ContourTolerance = 1.8;

    // Beyond the picture by so much, a path that shoots over is cut short.
    private const double Farthest = 4;

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private const string Sheet =
        ".page{fill:#fff}.heading{fill:#111827;font-size:34px;font-weight:600}.soft{fill:#4b5563;font-size:25px}"
        + ".level{fill:none;stroke:#64748b;stroke-width:1.5}.path{fill:none;stroke:#dc2626;stroke-width:3;stroke-linejoin:round}"
        + ".step{fill:#dc2626}.start{fill:#fff;stroke:#dc2626;stroke-width:4}.goal{stroke:#15803d;stroke-width:5}"
        + "@media(prefers-color-scheme:dark){.page{fill:#0f172a}.heading{fill:#f1f5f9}.soft{fill:#a8b3c4}.path{stroke:#f87171}"
        + ".step{fill:#f87171}.start{fill:#0f172a;stroke:#f87171}.goal{stroke:#4ade80}}";

    private readonly TestFunction _function;

    private PathPicture(TestFunction function) => _function = function;

    public static XDocument Draw(string optimizer, TestFunction function, Descent descent)
    {
        var picture = new PathPicture(function);
        string title = $"{optimizer} on {function.Title}";
        string subtitle = string.Create(
            CultureInfo.InvariantCulture,
            $"lr {descent.LearningRate:0.#####}, {descent.Points.Count - 1} steps, f = {Short(function.Value(descent.Points[^1]))}");
        return new XDocument(
            Element(
                "svg",
                ("viewBox", $"0 0 {Side} {Heading + Side}", null),
                ("role", "img", null),
                ("font-family", ChartStyle.Font, null)).With(
                new XElement(Svg + "title", title),
                new XElement(Svg + "style", Sheet),
                Element("rect", ("class", "page", null), ("width", null, Side), ("height", null, Heading + Side)),
                Text(38, "heading", title),
                Text(70, "soft", subtitle),
                Element("svg", ("y", null, Heading), ("width", null, Side), ("height", null, Side)).With(
                    [.. picture.Levels(), .. picture.Path(descent.Points)])));
    }

    private IEnumerable<XElement> Levels()
    {
        var contours = new Contours(
            p => _function.Value(new Point(_function.Low.X + p.X * _function.Side, _function.Low.Y + p.Y * _function.Side)),
            Cells);
        for (int i = 0; i < _function.Levels.Count; i++)
        {
            IEnumerable<string> lines = contours
                .At(_function.Levels[i])
                .Select(line => line.Select(p => new Point(p.X * Side, (1 - p.Y) * Side)).ToArray())
                .Select(line => Polyline.Data(Polyline.Simplify(line, ContourTolerance)));
            // Lower levels are darker.
            double opacity = Math.Round(1 - 0.75 * i / _function.Levels.Count, 2);
            yield return Element("path", ("class", "level", null), ("opacity", null, opacity), ("d", string.Concat(lines), null));
        }
    }

    private IEnumerable<XElement> Path(IReadOnlyList<Point> points)
    {
        Point[] path = [.. points.Select(Position)];
        yield return Element("path", ("class", "path", null), ("d", Polyline.Data(path), null));
        Point goal = Position(_function.Minimum);
        foreach (int slope in new[] { 1, -1 })
        {
            yield return Element(
                "path",
                ("class", "goal", null),
                ("d", Polyline.Data([new(goal.X - 12, goal.Y - 12 * slope), new(goal.X + 12, goal.Y + 12 * slope)]), null));
        }

        yield return Circle("start", path[0], 10);
        yield return Circle("step", path[^1], 10);
    }

    private Point Position(Point point) => new(
        Side * Math.Clamp((point.X - _function.Low.X) / _function.Side, -Farthest, 1 + Farthest),
        Side * (1 - Math.Clamp((point.Y - _function.Low.Y) / _function.Side, -Farthest, 1 + Farthest)));

    private static string Short(double value) => value.ToString("0.##e-0", CultureInfo.InvariantCulture);

    private static XElement Circle(string kind, Point center, int radius) => Element(
        "circle",
        ("class", kind, null),
        ("cx", null, Math.Round(center.X)),
        ("cy", null, Math.Round(center.Y)),
        ("r", null, radius));

    private static XElement Text(int y, string kind, string content) =>
        Element("text", ("x", null, 8), ("y", null, y), ("class", kind, null)).With(content);

    private static XElement Element(string name, params (string Name, string? Text, double? Number)[] attributes) =>
        new(
            Svg + name,
            attributes.Select(attribute => new XAttribute(
                attribute.Name,
                attribute.Text ?? attribute.Number!.Value.ToString("0.##", CultureInfo.InvariantCulture))));
}

file static class XElementExtensions
{
    public static XElement With(this XElement element, params object[] content)
    {
        element.Add(content);
        return element;
    }
}
