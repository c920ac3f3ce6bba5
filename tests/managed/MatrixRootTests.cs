using Optim.Tests.Support;

namespace Optim.Tests;

/// <summary>Matrix roots through the facade, against matrices whose roots are known.</summary>
public sealed class MatrixRootTests : TensorFixture
{
    // Eigenvalues 1 and 9 with the eigenvectors (1, -1) and (1, 1): the root -1/2 has 1 and 1/3 there.
    private static readonly double[] s_matrix = [5, 4, 4, 5];
    private static readonly double[] s_root = [2.0 / 3, -1.0 / 3, -1.0 / 3, 2.0 / 3];

    [Fact]
    public void Inverse_roots_of_many_sizes_at_once()
    {
        Tensor[] matrices = [Square(s_matrix), Square([16])],
            roots = [Square(new double[4]), Square([0])];
        Assert.Equal(new RootCounts(0, 0), MatrixRoots.Inverse(Engine, matrices, roots, 2));
        AssertClose(s_root, roots[0]);
        AssertClose([0.25], roots[1]);
        Assert.Equal(s_matrix, matrices[0].ToDoubles());

        MatrixRoots.Inverse(Engine, matrices, roots, 4);
        AssertClose([0.5], roots[1]);
        MatrixRoots.Inverse(Engine, [Square([0])], [roots[1]], 2, ridgeEpsilon: 0.25);
        Assert.True(double.IsFinite(roots[1].ToDoubles()[0]));
        Assert.Equal(new RootCounts(0, 0), MatrixRoots.Inverse(Engine, [], [], 2));
    }

    [Fact]
    public void Newton_comes_to_the_same_and_says_how_close()
    {
        Tensor[] matrices = [Square(s_matrix), Square([0])],
            roots = [Square(new double[4]), Square([7])];
        var errors = MatrixRoots.CoupledNewton(Engine, matrices, roots, 2, tolerance: 1e-12);
        AssertClose(s_root, roots[0]);
        Assert.InRange(errors[0], 0, 1e-12);
        Assert.True(double.IsNaN(errors[1])); // zeros have no root
        Assert.Equal(7, roots[1].ToDoubles()[0]);
        Assert.True(MatrixRoots.CoupledNewton(Engine, matrices, roots, 2, iterations: 1)[0] > 1e-3);
        Assert.Empty(MatrixRoots.CoupledNewton(Engine, [], [], 2));
    }

    [Fact]
    public void Matrices_without_a_root_are_counted()
    {
        Tensor[] roots = [Square([7]), Square(new double[4])];
        var counts = MatrixRoots.Inverse(Engine, [Square([double.NaN]), Square([1, 0, 0, -1])], roots, 2);
        Assert.Equal(new RootCounts(Skipped: 1, Indefinite: 1), counts);
        Assert.Equal(7, roots[0].ToDoubles()[0]);
    }

    [Fact]
    public void Bad_input_is_named()
    {
        Tensor[] one = [Square([1])],
            other = [Square([1])];
        Assert.Throws<ArgumentNullException>("engine", () => MatrixRoots.Inverse(null!, one, other, 2));
        Assert.Throws<ArgumentException>("roots", () => MatrixRoots.Inverse(Engine, one, [], 2));
        Assert.Throws<ArgumentException>("roots", () => MatrixRoots.CoupledNewton(Engine, one, [], 2));
        Assert.Throws<OptimException>(() => MatrixRoots.Inverse(Engine, one, other, 17));
        Assert.Throws<OptimException>(() => MatrixRoots.Inverse(Engine, one, one, 2));
        Assert.Throws<OptimException>(() => MatrixRoots.CoupledNewton(Engine, one, other, 2, iterations: -1));
    }

    [Theory]
    [ClassData(typeof(Rules))]
    public void Steps_of_sound_gradients_have_sound_roots(string rule)
    {
        using var model = new Model();
        using var optimizer = model.Optimizer(rule);
        optimizer.Step();
        Assert.Equal(new RootCounts(0, 0), optimizer.RootCounts);
    }

    private Tensor Square(double[] values)
    {
        var size = (long)Math.Sqrt(values.Length);
        return Allocate(DType.Float64, values, size, size);
    }

    private static void AssertClose(double[] expected, Tensor actual) =>
        Assert.All(expected.Zip(actual.ToDoubles()), pair => Assert.Equal(pair.First, pair.Second, 1e-9));
}
