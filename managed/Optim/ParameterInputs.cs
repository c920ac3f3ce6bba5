namespace Optim;

/// <summary>What a rule takes of a parameter besides its gradient, by name (<see cref="RuleSchema.Needs"/>), such as
/// an estimate of the Hessian's diagonal: <c>parameter.Inputs["hessian"] = estimate;</c></summary>
/// <remarks>Inputs have the shape and strides of the parameter and the storage type of its gradient, and steps never
/// change them. They are used as they are: a gradient scaler does not divide them.</remarks>
public sealed class ParameterInputs
{
    private readonly Parameter _parameter;
    private readonly Dictionary<string, Tensor?> _tensors = [];

    internal ParameterInputs(Parameter parameter) => _parameter = parameter;

    /// <summary>The input that steps use from now on; null = it is not given, which a rule allows once all parameters
    /// of a group that have a gradient have had it at one step.</summary>
    /// <param name="name">Its name in the schema of the rule; another one is refused by the optimizer.</param>
    /// <exception cref="ArgumentException">The shape, the strides or the device is not that of the
    /// parameter.</exception>
    public Tensor? this[string name]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(name);
            return _tensors.GetValueOrDefault(name);
        }
        set
        {
            if (ReferenceEquals(value, this[name]))
            {
                return;
            }

            _parameter.CheckFits(value, name);
            _tensors[name] = value;
            Tensor.Touch();
        }
    }

    /// <summary>A name with a tensor that is none of those; null if there is none.</summary>
    internal string? FindOther(string[] names)
    {
        foreach (var (name, tensor) in _tensors)
        {
            if (tensor is not null && Array.IndexOf(names, name) < 0)
            {
                return name;
            }
        }

        return null;
    }
}
