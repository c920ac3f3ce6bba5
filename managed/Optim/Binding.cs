using Optim.Interop;

namespace Optim;

/// <summary>The pointers a plan was last bound to. It keeps the memory behind them alive until others are
/// bound.</summary>
internal sealed unsafe class Binding
{
    private const int FirstPlace = 5; // the plan keeps its engine, its states and what a step was told before

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

    /// <summary>Binds parameters again if any of them moved since, with the gradients and inputs of before.</summary>
    public void RefreshValues()
    {
        if (_epoch != Tensor.Epoch)
        {
            using var hold = new OwnerHold(_plan);
            TakeValues();
            BindPointers(null);
        }
    }

    /// <summary>Binds what moved, and the states if they are given.</summary>
    public void Bind(nint[]? states)
    {
        using var hold = new OwnerHold(_plan); // what it keeps is about to change
        var epoch = Tensor.Epoch;
        TakeValues();
        TakeGradients();
        _inputs?.Refresh(_gradientTypes);
        BindPointers(states);
        _epoch = epoch;
    }

    /// <summary>The address of a tensor, whose owner the plan keeps from now on.</summary>
    internal static nint Take(PlanHandle plan, int place, Tensor? tensor)
    {
        plan.Keep(place, tensor?.Owner); // before the address is read: it may be disposed at any time
        return tensor?.Pointer ?? 0;
    }

    internal static bool Replace(ref nint bound, nint pointer)
    {
        var changed = bound != pointer;
        bound = pointer;
        return changed;
    }

    private void TakeValues()
    {
        for (var i = 0; i < _parameters.Count; i++)
        {
            CheckUsable(i, _parameters[i].Value, "Parameter");
            _changed |= Replace(ref _values[i], Take(_plan, FirstPlace + (2 * i), _parameters[i].Value));
        }
    }

    private void TakeGradients()
    {
        for (var i = 0; i < _parameters.Count; i++)
        {
            var gradient = _parameters[i].Gradient;
            if (gradient is not null)
            {
                CheckUsable(i, gradient, "The gradient of parameter");
                CheckType(i, gradient);
            }

            _changed |= Replace(ref _gradients[i], Take(_plan, FirstPlace + (2 * i) + 1, gradient));
        }
    }

    private void BindPointers(nint[]? states)
    {
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

        _changed = false;
        _inputs?.Bind();
        _plan.ReleaseFormer();
    }

    private void CheckUsable(int index, Tensor tensor, string what)
    {
        if (tensor.IsDisposed)
        {
            throw new ObjectDisposedException(
                nameof(Tensor),
                $"{what} {ParameterNames.Of(_parameters, index)} was disposed; the step needs it."
            );
        }
    }

    private void CheckType(int index, Tensor gradient)
    {
        if (gradient.DType != _gradientTypes[index])
        {
            throw new InvalidOperationException(
                $"The gradient of parameter {ParameterNames.Of(_parameters, index)} is {gradient.DType}; "
                    + $"the optimizer was made for {_gradientTypes[index]} "
                    + $"({nameof(OptimizerStorage)}.{nameof(OptimizerStorage.GradientType)})."
            );
        }
    }
}
