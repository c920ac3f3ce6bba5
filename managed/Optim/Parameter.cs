namespace Optim;

/// <summary>A tensor to be optimized, with the gradient of this step.</summary>
public sealed class Parameter
{
    private Tensor? _gradient;

    /// <summary>Makes a parameter.</summary>
    /// <param name="value">What steps change.</param>
    /// <param name="gradient">Its gradient; null = none yet.</param>
    /// <param name="name">Its name in state dictionaries; null = its index. Any text that is valid Unicode and not blank.
    /// Parameters of one group have different names; where two groups have equal ones, state dictionaries add the
    /// index.</param>
    public Parameter(Tensor value, Tensor? gradient = null, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (name is not null)
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(name);
            SafeTensorsWriter.CheckText(name);
        }

        Value = value;
        Name = name;
        Gradient = gradient;
    }

    /// <summary>What steps change.</summary>
    public Tensor Value { get; }

    /// <summary>Its name in state dictionaries; null = its index.</summary>
    public string? Name { get; }

    /// <summary>The gradient the next step uses; null = none, and the step leaves the parameter alone.</summary>
    public Tensor? Gradient
    {
        get => _gradient;
        set
        {
            if (ReferenceEquals(value, _gradient))
            {
                return;
            }

            CheckFits(value, "gradient");
            _gradient = value;
            Tensor.Touch();
        }
    }

    /// <summary>Who says before every step where value and gradient are; null = whoever made the parameter sets
    /// them.</summary>
    public IParameterSource? Source { get; init; }

    /// <summary>Further inputs of rules that need them.</summary>
    public ParameterInputs Inputs => GivenInputs ??= new ParameterInputs(this);

    /// <summary>The further inputs; null if none was ever asked for.</summary>
    internal ParameterInputs? GivenInputs { get; private set; }

    /// <inheritdoc/>
    public override string ToString() => Name is null ? Value.ToString() : $"{Name}: {Value}";

    /// <summary>Refuses a tensor that cannot be read element by element with the parameter.</summary>
    internal void CheckFits(Tensor? value, string what)
    {
        if (value is not null && !value.Layout.SameAs(Value.Layout))
        {
            throw new ArgumentException(
                $"The {what} {value} of parameter {Name ?? "without a name"} must have shape and strides of {Value}.",
                nameof(value)
            );
        }

        if (value is not null && value.Engine.Device != Value.Engine.Device)
        {
            throw new ArgumentException(
                $"The {what} of parameter {Name ?? "without a name"} is on {value.Engine.Device}, "
                    + $"the parameter on {Value.Engine.Device}.",
                nameof(value)
            );
        }
    }
}
