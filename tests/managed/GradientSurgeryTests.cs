using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Gradient surgery and random probes through the facade.</summary>
public sealed class GradientSurgeryTests : TensorFixture
{
    [Theory]
    [InlineData(GradientReduction.Sum, 1)]
    [InlineData(GradientReduction.Mean, 2)]
    public void Conflicting_gradients_are_projected(GradientReduction reduction, double divisor)
    {
        // <a, b> = -1 over both tensors: a + b / 2 and b + a / 2 are left. The second tensor is missing in one task.
        Tensor?[][] tasks = [[Vector(1, 1), Vector(1)], [Vector(-1, 0), null]];
        var before = tasks[0][0]!.ToDoubles();
        Tensor[] merged = [Vector(9, 9), Vector(9)];
        GradientSurgery.Merge(Engine, tasks, merged, reduction);
        double[] a = [1, 1, 1],
            b = [-1, 0, 0];
        double[] sum = [.. a.Zip(b, (x, y) => x + y - (-1.0 / 1 * y) - (-1.0 / 3 * x))];
        AssertClose([sum[0] / divisor, sum[1] / divisor], merged[0]);
        AssertClose([sum[2]], merged[1]); // not shared, and so not divided
        Assert.Equal(before, tasks[0][0]!.ToDoubles());
    }

    [Fact]
    public void Order_is_heeded_and_may_be_drawn()
    {
        Tensor[][] tasks = [[Vector(1, 0)], [Vector(-1, 2)], [Vector(-1, -3)]];
        Tensor[] ascending = [Vector(0, 0)],
            same = [Vector(0, 0)],
            descending = [Vector(0, 0)];
        GradientSurgery.Merge(Engine, tasks, ascending);
        GradientSurgery.Merge(Engine, tasks, same, order: [[1, 2], [0, 2], [0, 1]]);
        GradientSurgery.Merge(Engine, tasks, descending, order: [[2, 1], [2, 0], [1, 0]]);
        Assert.Equal(ascending[0].ToDoubles(), same[0].ToDoubles());
        Assert.NotEqual(ascending[0].ToDoubles(), descending[0].ToDoubles());

        var drawn = GradientSurgery.ShuffledOrder(6, new Random(3));
        Assert.Equal(drawn, GradientSurgery.ShuffledOrder(6, new Random(3)));
        Assert.NotEqual(drawn, GradientSurgery.ShuffledOrder(6, new Random(4)));
        for (var task = 0; task < 6; task++)
        {
            Assert.Equal(Enumerable.Range(0, 6).Where(other => other != task), drawn[task].Order());
        }
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        Tensor[][] tasks = [[Vector(1, 0)], [Vector(-1, 2)]];
        Tensor[] merged = [Vector(0, 0)];
        void Refuse(string part, Action merge) =>
            Assert.Contains(part, Assert.ThrowsAny<Exception>(merge).Message, StringComparison.Ordinal);

        Refuse("Task 1", () => GradientSurgery.Merge(Engine, [tasks[0], []], merged));
        Refuse("order", () => GradientSurgery.Merge(Engine, tasks, merged, order: [[1]]));
        Refuse("order", () => GradientSurgery.Merge(Engine, tasks, merged, order: [[1], [0, 1]]));
        Refuse("order[1][0] is 1", () => GradientSurgery.Merge(Engine, tasks, merged, order: [[1], [1]]));
        Refuse("reduction", () => GradientSurgery.Merge(Engine, tasks, merged, (GradientReduction)5));
        Refuse("task_count is 0", () => GradientSurgery.Merge(Engine, [], merged));
        Tensor[][] many = [.. Enumerable.Repeat(tasks[0], GradientSurgery.MaxTasks + 1)];
        Refuse("task_count is 65", () => GradientSurgery.Merge(Engine, many, merged));
        Refuse("merged[0]", () => GradientSurgery.Merge(Engine, tasks, [Vector(0, 0, 0)]));
        Assert.Equal([0, 0], merged[0].ToDoubles());
    }

    [Fact]
    public void Probes_are_signs_that_depend_on_seed_and_offset_alone()
    {
        var whole = Vector(new double[1000]);
        Tensor[] parts = [Vector(new double[333]), Vector(new double[667])];
        HelperFunctions.Rademacher(Engine, [whole], seed: 7, offset: 9);
        HelperFunctions.Rademacher(Engine, parts, seed: 7, offset: 9);
        var signs = whole.ToDoubles();
        Assert.All(signs, sign => Assert.Equal(1, Math.Abs(sign)));
        Assert.InRange(signs.Average(), -0.2, 0.2);
        Assert.Equal(signs, parts.SelectMany(part => part.ToDoubles()));
        HelperFunctions.Rademacher(Engine, [whole], seed: 7, offset: 10);
        Assert.NotEqual(signs, whole.ToDoubles());
    }

    private Tensor Vector(params double[] values) => Allocate(DType.Float64, values, values.Length);

    private static void AssertClose(double[] expected, Tensor actual) =>
        Assert.All(expected.Zip(actual.ToDoubles()), pair => Assert.Equal(pair.First, pair.Second, 12));
}
