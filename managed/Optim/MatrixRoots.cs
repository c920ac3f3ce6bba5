using Optim.Interop;

namespace Optim;

/// <summary>Inverse roots of symmetric positive semidefinite matrices, many of any sizes at once, as matrix
/// rules take them of their statistics.</summary>
public static unsafe class MatrixRoots
{
    /// <summary>roots[i] = ((A + A^T) / 2)^(-1/p) for A = matrices[i], by an eigendecomposition in double (Golub &amp;
    /// Van Loan, Matrix Computations, section 8.3), on a CUDA device by a Newton iteration where that is as good. Nothing is ever NaN. Waits for the device.</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="matrices">Square matrices of at most 8192 rows, row-major, Float32 or Float64; they do not
    /// change.</param>
    /// <param name="roots">Where the roots go, roots[i] of the shape and type of matrices[i], apart from all
    /// else.</param>
    /// <param name="p">The root, 1 to 16.</param>
    /// <param name="ridgeEpsilon">Negative eigenvalues are raised to 0, and this times the largest one is added to all;
    /// 0 = they are raised to the rounding error instead.</param>
    /// <returns>How many matrices had no root, or a negative eigenvalue.</returns>
    public static RootCounts Inverse(
        Engine engine,
        ReadOnlySpan<Tensor> matrices,
        ReadOnlySpan<Tensor> roots,
        int p,
        double ridgeEpsilon = 0
    )
    {
        CheckPairs(engine, matrices, roots);
        using var inputs = new NativeTensors(engine, matrices, nameof(matrices));
        using var outputs = new NativeTensors(engine, roots, nameof(roots));
        using var counts = engine.Allocate(RootCounts.Bytes)!;
        NativeStatus.Check(
            NativeMethods.InverseRoot(
                engine.Handle,
                inputs.Count,
                inputs.Pointer,
                outputs.Pointer,
                p,
                ridgeEpsilon,
                (ulong*)counts.Pointer
            )
        );
        var numbers = stackalloc ulong[Native.ROOT_COUNTS];
        engine.Copy(numbers, (void*)counts.Pointer, RootCounts.Bytes);
        return RootCounts.Read(numbers);
    }

    /// <summary>The same by the coupled Newton iteration (Guo &amp; Higham 2006), which needs products only and no ridge.
    /// It converges for matrices of moderate condition, in about ln(condition) + 6 iterations. Waits for the
    /// device.</summary>
    /// <param name="engine">The engine to compute on.</param>
    /// <param name="matrices">As for <see cref="Inverse"/>.</param>
    /// <param name="roots">As for <see cref="Inverse"/>; one whose matrix has no root is left as it was.</param>
    /// <param name="p">The root, 1 to 16.</param>
    /// <param name="iterations">The largest number of iterations, 0 to 1000.</param>
    /// <param name="tolerance">The error at which a matrix is done.</param>
    /// <returns>For each matrix max |M - I|, the error of its root; NaN for one that has no root.</returns>
    public static double[] CoupledNewton(
        Engine engine,
        ReadOnlySpan<Tensor> matrices,
        ReadOnlySpan<Tensor> roots,
        int p,
        int iterations = 100,
        double tolerance = 1e-6
    )
    {
        CheckPairs(engine, matrices, roots);
        if (matrices.IsEmpty)
        {
            return [];
        }

        using var inputs = new NativeTensors(engine, matrices, nameof(matrices));
        using var outputs = new NativeTensors(engine, roots, nameof(roots));
        using var errors = Tensor.Allocate(engine, DType.Float64, matrices.Length);
        var values = new double[matrices.Length];
        Array.Fill(values, double.NaN);
        errors.CopyFrom(values);
        NativeStatus.Check(
            NativeMethods.CoupledNewton(
                engine.Handle,
                inputs.Count,
                inputs.Pointer,
                outputs.Pointer,
                p,
                iterations,
                tolerance,
                (double*)errors.Pointer,
                null
            )
        );
        errors.CopyTo<double>(values);
        return values;
    }

    private static void CheckPairs(Engine engine, ReadOnlySpan<Tensor> matrices, ReadOnlySpan<Tensor> roots)
    {
        ArgumentNullException.ThrowIfNull(engine);
        if (matrices.Length != roots.Length)
        {
            throw new ArgumentException(
                $"{matrices.Length} matrices need as many roots, not {roots.Length}.",
                nameof(roots)
            );
        }
    }
}
