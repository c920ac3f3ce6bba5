using Optim.Interop;

namespace Optim;

/// <summary>The inputs besides gradients that a plan was last bound to, kept alive until others are bound.</summary>
internal sealed unsafe class InputBinding
{
    private readonly PlanHandle _plan;
    private readonly RuleSchema _rule;
    private readonly IReadOnlyList<Parameter> _parameters;
    private readonly string[] _names;
    private readonly nint[] _pointers; // those of parameter 0, then of parameter 1, ...
    private readonly int _firstPlace;
    private bool _changed;

    public InputBinding(PlanHandle plan, RuleSchema rule, IReadOnlyList<Parameter> parameters, int firstPlace)
    {
        _plan = plan;
        _rule = rule;
        _parameters = parameters;
        _names = [.. rule.Needs];
        _pointers = new nint[parameters.Count * _names.Length];
        _firstPlace = firstPlace;
    }

    /// <summary>Checks the inputs of all parameters and notes which of them moved, came or went.</summary>
    public void Refresh(DType[] types)
    {
        var place = 0;
        for (var i = 0; i < _parameters.Count; i++)
        {
            var inputs = _parameters[i].GivenInputs;
            if (inputs?.FindOther(_names) is { } other)
            {
                throw new InvalidOperationException(
                    $"Parameter {ParameterNames.Of(_parameters, i)} has an input \"{other}\"; {_rule.Name} takes "
                        + (_names.Length == 0 ? "gradients only." : $"{string.Join(", ", _names)}.")
                );
            }

            foreach (var name in _names)
            {
                var tensor = inputs?[name];
                CheckUsable(i, name, tensor, types[i]);
                _changed |= Binding.Replace(ref _pointers[place], Binding.Take(_plan, _firstPlace + place, tensor));
                place++;
            }
        }
    }

    /// <summary>Binds what moved.</summary>
    public void Bind()
    {
        if (_changed)
        {
            fixed (nint* input = _pointers)
            {
                NativeStatus.Check(NativeMethods.PlanBindInputs(_plan, (void**)input));
            }
        }

        _changed = false;
    }

    private void CheckUsable(int index, string name, Tensor? tensor, DType type)
    {
        if (tensor is { IsDisposed: true })
        {
            throw new ObjectDisposedException(
                nameof(Tensor),
                $"The input \"{name}\" of parameter {ParameterNames.Of(_parameters, index)} was disposed; "
                    + "the step needs it."
            );
        }

        if (tensor is not null && tensor.DType != type)
        {
            throw new InvalidOperationException(
                $"The input \"{name}\" of parameter {ParameterNames.Of(_parameters, index)} is {tensor.DType}; inputs "
                    + $"have the type of gradients, for which the optimizer was made: {type} "
                    + $"({nameof(OptimizerStorage)}.{nameof(OptimizerStorage.GradientType)})."
            );
        }
    }
}
