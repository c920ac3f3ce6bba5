namespace Optim;

/// <summary>The shape of a state slot in terms of its parameter.</summary>
public enum SlotShape
{
    /// <summary>One value per element of the parameter.</summary>
    Param,

    /// <summary>One value per slice along dimension 0.</summary>
    Row,

    /// <summary>One value per unit of the rule: a row, or an element of a vector.</summary>
    Unit,

    /// <summary>One value per tensor.</summary>
    Tensor,

    /// <summary>One value.</summary>
    Scalar,

    /// <summary>Matrices over the dimensions of the parameter.</summary>
    Matrix,
}
