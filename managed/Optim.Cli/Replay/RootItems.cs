using System.Globalization;

namespace Optim.Cli.Replay;

/// <summary>Replays cases of matrix roots: of in.A as it is, of in.A32 with a ridge, and the iterations of coupled
/// Newton.</summary>
internal static class RootItems
{
    private static readonly Dictionary<string, Action<RootRun>> Table = new()
    {
        ["matrix_inverse_root"] = run =>
        {
            foreach (long p in run.Golden.Hypers.Integers("p"))
            {
                run.Root("in.A", $"out.root{p}", (int)p, ridge: 0);
                run.Root("in.A32", $"out.ridge_root{p}", (int)p, run.Golden.Hypers.Number("ridge_epsilon"));
            }
        },
        ["coupled_newton"] = run =>
        {
            foreach (long iterations in run.Golden.Hypers.Integers("iterations"))
            {
                run.Iterate(
                    (int)run.Golden.Hypers.Integer("p"),
                    (int)iterations,
                    iterations.ToString(CultureInfo.InvariantCulture));
            }
        },
    };

    public static bool Has(string item) => Table.ContainsKey(item);

    public static TensorSet Replay(GoldenCase golden, Engine engine, DType dtype)
    {
        using var tensors = new TensorBag(engine, dtype);
        var run = new RootRun(golden, engine, tensors, new ReplayOutput(golden));
        Table[golden.Item](run);
        return run.Output.Complete();
    }

    private sealed record RootRun(GoldenCase Golden, Engine Engine, TensorBag Tensors, ReplayOutput Output)
    {
        public void Root(string input, string output, int p, double ridge)
        {
            if (Golden.Has(output))
            {
                Tensor root = Tensors.Allocate(Golden.Shape(input));
                MatrixRoots.Inverse(Engine, [Tensors.Load(Golden, input)], [root], p, ridge);
                Output.Add(output, root.ToDoubles());
            }
        }

        public void Iterate(int p, int iterations, string number)
        {
            Tensor root = Tensors.Allocate(Golden.Shape("in.A"));
            double[] errors =
                MatrixRoots.CoupledNewton(Engine, [Tensors.Load(Golden, "in.A")], [root], p, iterations, tolerance: 0);
            Output.Add($"out.X{number}", root.ToDoubles());
            if (Golden.Has($"out.error{number}"))
            {
                Output.Add($"out.error{number}", errors);
            }
        }
    }
}
