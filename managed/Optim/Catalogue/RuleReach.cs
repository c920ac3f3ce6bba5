namespace Optim;

/// <summary>What one element of a gradient has a part in: as far as this a value that is not finite may spread.</summary>
public enum RuleReach
{
    /// <summary>The same element of the parameter and of the states.</summary>
    Element,

    /// <summary>Its row, a slice along the first dimension; all of a vector.</summary>
    Row,

    /// <summary>Its tensor.</summary>
    Tensor,

    /// <summary>All tensors of the optimizer.</summary>
    All,
}
