namespace Optim.Cli.Plot;

/// <summary>Lines of equal value of a function over a square, by marching squares.</summary>
internal sealed class Contours
{
    private readonly int _cells;
    private readonly double[,] _values;

    /// <summary>Samples <paramref name="value"/> at the corners of cells x cells cells; x and y run from 0 to 1.</summary>
    public Contours(Func<Point, double> value, int cells)
    {
        _cells = cells;
        _values = new double[cells + 1, cells + 1];
        for (int i = 0; i <= cells; i++)
        {
            for (int j = 0; j <= cells; j++)
            {
                _values[i, j] = value(new Point((double)i / cells, (double)j / cells));
            }
        }
    }

    // A grid line between two neighbouring corners: from (I, J) to the right or, upright, upwards.
    private readonly record struct Edge(int I, int J, bool Upright);

    /// <summary>The lines of one level, each open at the border or closed with its first point as its last.</summary>
    public IReadOnlyList<IReadOnlyList<Point>> At(double level)
    {
        var neighbours = Neighbours(level);
        var lines = new List<IReadOnlyList<Point>>();
        // Open lines first, from their ends; what is left then is closed.
        foreach (Edge start in neighbours.Keys.OrderBy(edge => neighbours[edge].Count).ToArray())
        {
            var line = new List<Point>();
            Edge? edge = start;
            while (edge is { } here && neighbours[here].Count > 0)
            {
                line.Add(Crossing(here, level));
                Edge next = neighbours[here][0];
                neighbours[here].Remove(next);
                neighbours[next].Remove(here);
                edge = next;
            }

            if (line.Count > 0)
            {
                line.Add(Crossing(edge!.Value, level));
                lines.Add(line);
            }
        }

        return lines;
    }

    // Which edges the level crosses, each with those that a piece of the line leads to from it.
    private Dictionary<Edge, List<Edge>> Neighbours(double level)
    {
        var neighbours = new Dictionary<Edge, List<Edge>>();
        void Join(Edge a, Edge b)
        {
            (neighbours.TryGetValue(a, out var ofA) ? ofA : neighbours[a] = []).Add(b);
            (neighbours.TryGetValue(b, out var ofB) ? ofB : neighbours[b] = []).Add(a);
        }

        for (int i = 0; i < _cells; i++)
        {
            for (int j = 0; j < _cells; j++)
            {
                // Around the cell, each edge between the corners of its number and the next.
                Edge[] around = [new(i, j, false), new(i + 1, j, true), new(i, j + 1, false), new(i, j, true)];
                bool[] above =
                [
                    _values[i, j] > level,
                    _values[i + 1, j] > level,
                    _values[i + 1, j + 1] > level,
                    _values[i, j + 1] > level,
                ];
                Edge[] crossed = [.. around.Where((_, k) => above[k] != above[(k + 1) % 4])];
                if (crossed.Length == 2)
                {
                    Join(crossed[0], crossed[1]);
                }
                else if (crossed.Length == 4)
                {
                    // A saddle: the mean of the corners tells which of them belong together.
                    double mean =
                        (_values[i, j] + _values[i + 1, j] + _values[i + 1, j + 1] + _values[i, j + 1]) / 4;
                    bool firstCutOff = mean > level != above[0];
                    Join(crossed[0], crossed[firstCutOff ? 3 : 1]);
                    Join(crossed[2], crossed[firstCutOff ? 1 : 3]);
                }
            }
        }

        return neighbours;
    }

    private Point Crossing(Edge edge, double level)
    {
        double from = _values[edge.I, edge.J];
        double to = edge.Upright ? _values[edge.I, edge.J + 1] : _values[edge.I + 1, edge.J];
        double part = (level - from) / (to - from);
        return edge.Upright
            ? new Point((double)edge.I / _cells, (edge.J + part) / _cells)
            : new Point((edge.I + part) / _cells, (double)edge.J / _cells);
    }
}
