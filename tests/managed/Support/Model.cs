namespace Optim.Tests.Support;

/// <summary>A few parameters with gradients, and the inputs that a rule needs, that depend only on the step, so that
/// equal histories are equal to the bit.</summary>
internal sealed class Model : IDisposable
{
    private static readonly long[][] s_shapes =
    [
        [4, 3],
        [6],
        [2, 3, 2],
    ];

    private readonly List<Tensor> _inputs = [];

    public Model(DType dtype = DType.Float32, bool named = false)
    {
        Engine = TestDevice.Open();
        Parameters =
        [
            .. s_shapes.Select(
                (shape, i) =>
                {
                    var value = Tensor.Allocate(Engine, dtype, shape);
                    value.CopyFromDoubles(Numbers(value.ElementCount, seed: i));
                    return new Parameter(
                        value,
                        Tensor.Allocate(Engine, dtype, shape),
                        named ? $"layer{i}.weight" : null
                    );
                }
            ),
        ];
        SetGradients(1);
    }

    public Engine Engine { get; }

    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>All parameters, widened.</summary>
    public double[] Values => [.. Parameters.SelectMany(parameter => parameter.Value.ToDoubles())];

    /// <summary>An optimizer that moves from the first step on: one that rectifies does not wait until it
    /// can.</summary>
    public Optimizer Optimizer(
        string rule,
        IReadOnlyDictionary<string, double>? hypers = null,
        Helpers? helpers = null,
        OptimizerStorage? storage = null
    )
    {
        const string StepsAtOnce = "degenerated_to_sgd";
        var values = new Dictionary<string, double>(hypers ?? new Dictionary<string, double>());
        if (Catalogue.Find(rule).Hypers.Any(hyper => hyper.Name == StepsAtOnce))
        {
            values.TryAdd(StepsAtOnce, 1);
        }

        GiveInputs(rule);
        return Optim.Optimizer.Create(rule, Engine, Parameters, values, helpers, storage);
    }

    /// <summary>Gives every parameter what the rule needs besides gradients.</summary>
    public void GiveInputs(string rule)
    {
        foreach (var name in Catalogue.Find(rule).Needs)
        {
            foreach (var parameter in Parameters)
            {
                var tensor = Tensor.Allocate(Engine, parameter.Value.DType, parameter.Value.Shape);
                parameter.Inputs[name] = tensor;
                _inputs.Add(tensor);
            }
        }

        SetInputs(1);
    }

    public void SetGradients(long step, double factor = 1)
    {
        SetInputs(step);
        for (var i = 0; i < Parameters.Count; i++)
        {
            if (Parameters[i].Gradient is { } gradient)
            {
                var numbers = Numbers(gradient.ElementCount, seed: (100 * step) + i, curvature: 7);
                gradient.CopyFromDoubles([.. numbers.Select(number => factor * number)]);
            }
        }
    }

    public void Train(Optimizer optimizer, long firstStep, long lastStep)
    {
        for (var step = firstStep; step <= lastStep; step++)
        {
            SetGradients(step);
            optimizer.Step();
        }
    }

    public void CopyValuesTo(Model other)
    {
        foreach (var (from, to) in Parameters.Zip(other.Parameters))
        {
            to.Value.CopyFromDoubles(from.Value.ToDoubles());
        }
    }

    public void Dispose()
    {
        foreach (var parameter in Parameters)
        {
            parameter.Value.Dispose();
            parameter.Gradient?.Dispose();
        }

        _inputs.ForEach(tensor => tensor.Dispose());
        Engine.Dispose();
    }

    private void SetInputs(long step)
    {
        for (var i = 0; i < _inputs.Count; i++)
        {
            _inputs[i].CopyFromDoubles(Numbers(_inputs[i].ElementCount, seed: (10 * step) + i, curvature: 3));
        }
    }

    /// <summary>Numbers in [-1, 1] that every storage type holds exactly, none of them 0.</summary>
    private static double[] Numbers(long count, long seed, long curvature = 0) =>
        [
            .. Enumerable
                .Range(0, (int)count)
                .Select(i => (((((37 + (curvature * i)) * i) + (seed * 53) + 11) % 63) - 31.5) / 32),
        ];
}
