using System.Xml.Linq;
using Optim.Cli.Plot;

namespace Optim.Cli.Tests;

public sealed class PlotTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Pictures_of_every_optimizer_are_checked_in_and_those_of_one_are_drawn_the_same_again()
    {
        string images = Path.Combine(Checkout(), "docs", "images");
        RuleSchema[] rules = [.. Catalogue.Rules.Where(Descent.Supports)];
        Assert.Equal(
            rules.SelectMany(rule => TestFunction.All.Select(function => $"{rule.Name}-{function.Name}.svg"))
                .Order(StringComparer.Ordinal),
            Directory.EnumerateFiles(images).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal));
        Assert.All(Directory.EnumerateFiles(images), file => Assert.InRange(new FileInfo(file).Length, 1000, 15_000));

        using var scratch = new Scratch();
        var run = CommandLine.Run("plot", "--optimizer", rules[0].Name, "--output", scratch.Folder);
        Assert.True(run.Code == 0, run.Errors);
        Assert.Contains("plot: 1 of 1 optimizers", run.Output, StringComparison.Ordinal);
        foreach (TestFunction function in TestFunction.All)
        {
            string name = $"{rules[0].Name}-{function.Name}.svg";
            Assert.Equal(File.ReadAllText(Path.Combine(images, name)), File.ReadAllText(scratch.File(name)));
        }
    }

    [Fact]
    public void Every_path_begins_at_the_start_and_ends_lower()
    {
        using var engine = new Engine(Device.Cpu, threads: 1);
        Assert.All(
            from rule in Catalogue.Rules where Descent.Supports(rule) from function in TestFunction.All select (rule, function),
            pair =>
            {
                Descent descent = Descent.Best(engine, pair.rule, pair.function);
                Assert.Equal(Descent.Steps + 1, descent.Points.Count);
                Assert.InRange(descent.Points[0].DistanceTo(pair.function.Start), 0, 1e-6);
                double before = pair.function.Value(descent.Points[0]);
                Assert.InRange(pair.function.Value(descent.Points[^1]), 0, 0.8 * before);
                XDocument picture = PathPicture.Draw(pair.rule.Title, pair.function, descent);
                Assert.Contains(picture.Descendants(Svg + "title"), title => title.Value.StartsWith(pair.rule.Title, StringComparison.Ordinal));
                Assert.DoesNotContain("NaN", picture.ToString(), StringComparison.Ordinal);
            }
        );
    }

    [Fact]
    public void Derivatives_are_those_of_the_functions()
    {
        const double Step = 1e-4;
        foreach (TestFunction function in TestFunction.All)
        {
            Assert.InRange(double.Hypot(function.Gradient(function.Minimum).X, function.Gradient(function.Minimum).Y), 0, 1e-9);
            Assert.Equal(0, function.Value(function.Minimum), 1e-9);
            foreach (Point p in new Point[] { function.Start, new(0.3, -0.7), new(-1.1, 0.45) })
            {
                double right = function.Value(p with { X = p.X + Step }), left = function.Value(p with { X = p.X - Step });
                double up = function.Value(p with { Y = p.Y + Step }), down = function.Value(p with { Y = p.Y - Step });
                double here = function.Value(p);
                Near((right - left) / (2 * Step), function.Gradient(p).X);
                Near((up - down) / (2 * Step), function.Gradient(p).Y);
                Near((right - 2 * here + left) / (Step * Step), function.HessianDiagonal(p).X);
                Near((up - 2 * here + down) / (Step * Step), function.HessianDiagonal(p).Y);
            }
        }

        static void Near(double expected, double value) => Assert.InRange(value - expected, -1e-2, 1e-2);
    }

    [Fact]
    public void Contours_of_a_cone_are_circles_and_of_a_plane_lines()
    {
        var center = new Point(0.5, 0.5);
        IReadOnlyList<Point> circle = Assert.Single(new Contours(p => p.DistanceTo(center), 50).At(0.3));
        Assert.Equal(circle[0], circle[^1]);
        Assert.InRange(circle.Count, 50, 300);
        Assert.All(circle, p => Assert.Equal(0.3, p.DistanceTo(center), 1e-3));

        IReadOnlyList<Point> line = Assert.Single(new Contours(p => p.X, 10).At(0.33));
        Assert.All(line, p => Assert.Equal(0.33, p.X, 1e-9));
        Assert.Equal([0, 1], new[] { line[0].Y, line[^1].Y }.Order());
        Assert.Empty(new Contours(p => p.X, 10).At(2));
    }

    [Fact]
    public void Lines_keep_their_ends_and_corners_only()
    {
        Point[] line = [new(0, 0), new(5, 0.1), new(10, 0), new(10, 5), new(10, 10)];
        Assert.Equal([new(0, 0), new(10, 0), new(10, 10)], Polyline.Simplify(line, 0.5));
        Assert.Equal("M0 0l10 0l0 10", Polyline.Data(Polyline.Simplify(line, 0.5)));
    }

    [Fact]
    public void Unknown_rule_names_what_there_is() =>
        CommandLine.Run("plot", "--optimizer", "no_such_rule").AssertError(1, Catalogue.Rules[^1].Name);

    private static string Checkout()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "native", "include", "optim", "optim.h")))
        {
            folder = folder.Parent;
        }

        return folder.FullName;
    }
}
