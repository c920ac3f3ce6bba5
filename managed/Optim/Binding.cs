using Optim.Interop;

namespace Optim;

/// <summary>The pointers a plan was last bound to. It keeps the memory behind them alive until others are
/// bound.</summary>
internal sealed unsafe class Binding
{
    private const int FirstPlace = 2; // the plan keeps its engine and its states before

    private readonly PlanHandle _plan;
    private readonly IReadOnlyList<Parameter> _parameters;
    private readonly DType[] _gradientTypes;
    private readonly nint[] _values;
    private readonly nint[] _gradients;
    private readonly InputBinding? _inputs;
    private bool _changed = true;
    private int _epoch;

    /// <summary>Binds nothing yet.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="parameters">Its parameters, in its order.</param>
    /// <param name="gradientType">Type of all gradients; null = that of each parameter.</param>
    /// <param name="rule">The rule whose further inputs are bound; null = none are.</param>
    public Binding(
        PlanHandle plan,
        IReadOnlyList<Parameter> parameters,
        DType? gradientType,
        RuleSchema? rule = null
    )
    {
        _plan = plan;
        _parameters = parameters;
        _values = new nint[parameters.Count];
        _gradients = new nint[parameters.Count];
        _gradientTypes = [.. parameters.Select(parameter => gradientType ?? parameter.Value.DType)];
        _inputs = rule is null ? null : new InputBinding(plan, rule, parameters, FirstPlace + (2 * parameters.Count));
    }

    /// <summary>Binds parameters, gradients and inputs again if any of them moved, came or went since.</summary>
    public void Refresh()
    {
        if (_epoch != Tensor.Epoch)
        {
            Bind(null);
        }
    }

    /// <summary>Binds what moved, and the states if they are given.</summary>
    public void Bind(nint[]? states)
    {
        var epoch = Tensor.Epoch;
        for (var i = 0; i < _parameters.Count; i++)
        {
            var parameter = _parameters[i];
            CheckUsable(i, parameter.Value, "Parameter");
            _changed |= Replace(ref _values[i], parameter.Value.Pointer);
            if (parameter.Gradient is { } gradient)
            {
                CheckUsable(i, gradient, "The gradient of parameter");
                CheckType(i, gradient);
            }

            _changed |= Replace(ref _gradients[i], parameter.Gradient?.Pointer ?? 0);
        }

        _inputs?.Refresh(_gradientTypes);
        if (_changed || states is not null)
        {
            fixed (
                nint* value = _values,
                    gradient = _gradients,
                    state = states
            )
            {
                NativeStatus.Check(NativeMethods.PlanBind(_plan, (void**)value, (void**)gradient, (void**)state));
            }
        }

        KeepOwners();
        _changed = false;
        _inputs?.Bind();
        _epoch = epoch;
    }

    internal static bool Replace(ref nint bound, nint pointer)
    {
        var changed = bound != pointer;
        bound = pointer;
        return changed;
    }

    private void KeepOwners()
    {
        for (var i = 0; i < _parameters.Count; i++)
        {
            _plan.Keep(FirstPlace + (2 * i), _parameters[i].Value.Owner);
            _plan.Keep(FirstPlace + (2 * i) + 1, _parameters[i].Gradient?.Owner);
        }
    }

    private void CheckUsable(int index, Tensor tensor, string what)
    {
        if (tensor.IsDisposed)
        {
            throw new ObjectDisposedException(
                nameof(Tensor),
                $"{what} {ParameterList.Key(_parameters, index)} was disposed; the step needs it."
            );
        }
    }

    private void CheckType(int index, Tensor gradient)
    {
        if (gradient.DType != _gradientTypes[index])
        {
            throw new InvalidOperationException(
                $"The gradient of parameter {ParameterList.Key(_parameters, index)} is {gradient.DType}; "
                    + $"the optimizer was made for {_gradientTypes[index]} "
                    + $"({nameof(OptimizerStorage)}.{nameof(OptimizerStorage.GradientType)})."
            );
        }
    }
}
