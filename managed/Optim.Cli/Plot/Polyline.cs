using System.Globalization;
using System.Text;

namespace Optim.Cli.Plot;

/// <summary>Lines as the path data of SVG, with few points and short numbers.</summary>
internal static class Polyline
{
    /// <summary>Drops points that lie nearer than <paramref name="tolerance"/> to the line through those kept (Douglas and
    /// Peucker).</summary>
    public static IEnumerable<Point> Simplify(IReadOnlyList<Point> line, double tolerance)
    {
        var kept = new SortedSet<int> { 0, line.Count - 1 };
        var open = new Stack<(int First, int Last)>([(0, line.Count - 1)]);
        while (open.TryPop(out (int First, int Last) part))
        {
            int farthest = -1;
            double most = tolerance;
            for (int i = part.First + 1; i < part.Last; i++)
            {
                double distance = Distance(line[i], line[part.First], line[part.Last]);
                (farthest, most) = distance > most ? (i, distance) : (farthest, most);
            }

            if (farthest >= 0)
            {
                kept.Add(farthest);
                open.Push((part.First, farthest));
                open.Push((farthest, part.Last));
            }
        }

        return kept.Select(i => line[i]);
    }

    /// <summary>Moves to whole numbers, relative to the point before.</summary>
    public static string Data(IEnumerable<Point> line)
    {
        var data = new StringBuilder();
        (int x, int y)? before = null;
        foreach (Point point in line)
        {
            (int x, int y) = ((int)Math.Round(point.X), (int)Math.Round(point.Y));
            if (before is not { } last)
            {
                data.Append(CultureInfo.InvariantCulture, $"M{x} {y}");
            }
            else if ((x, y) != last)
            {
                data.Append(CultureInfo.InvariantCulture, $"l{x - last.x} {y - last.y}");
            }

            before = (x, y);
        }

        return data.ToString();
    }

    // To the piece from a to b.
    private static double Distance(Point point, Point a, Point b)
    {
        double dx = b.X - a.X, dy = b.Y - a.Y, square = dx * dx + dy * dy;
        double along = square == 0 ? 0 : Math.Clamp(((point.X - a.X) * dx + (point.Y - a.Y) * dy) / square, 0, 1);
        return point.DistanceTo(new Point(a.X + along * dx, a.Y + along * dy));
    }
}
