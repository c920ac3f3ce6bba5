namespace Optim.Cli.Replay;

/// <summary>What a trajectory gives its rule: the parameters, and at each step their gradients and further
/// inputs.</summary>
internal sealed class TrajectoryInputs
{
    private readonly GoldenCase _golden;
    private readonly IReadOnlyList<string> _needs;
    private readonly List<Parameter> _parameters = [];
    private readonly List<Tensor> _gradients = [];
    private readonly List<Tensor[]> _inputs = []; // of each parameter, in the order of the needs

    public TrajectoryInputs(GoldenCase golden, TensorBag tensors, IReadOnlyList<string> needs)
    {
        _golden = golden;
        _needs = needs;
        for (int i = 0; TensorName.Of("param", i, "init") is var name && golden.Has(name); i++)
        {
            _parameters.Add(new Parameter(tensors.Load(golden, name)));
            _gradients.Add(tensors.Allocate(golden.Shape(name)));
            _inputs.Add([.. needs.Select(_ => tensors.Allocate(golden.Shape(name)))]);
        }
    }

    public IReadOnlyList<Parameter> Parameters => _parameters;

    public void Give(int step)
    {
        for (int i = 0; i < _parameters.Count; i++)
        {
            _parameters[i].Gradient = Fill(_gradients[i], TensorName.Of("grad", i, step));
            for (int k = 0; k < _needs.Count; k++)
            {
                string name = TensorName.Of("aux", i, _needs[k], step);
                _parameters[i].Inputs[_needs[k]] = Fill(_inputs[i][k], name);
            }
        }
    }

    /// <summary>The gradients at the perturbed point of sharpness-aware minimization.</summary>
    public void GiveSecondGradients(int step)
    {
        for (int i = 0; i < _parameters.Count; i++)
        {
            _parameters[i].Gradient = Fill(_gradients[i], TensorName.Of("aux", i, "grad2", step));
        }
    }

    // What the case leaves out is absent.
    private Tensor? Fill(Tensor tensor, string name)
    {
        if (!_golden.Has(name))
        {
            return null;
        }
        tensor.CopyFromDoubles(_golden.Values(name));
        return tensor;
    }
}
