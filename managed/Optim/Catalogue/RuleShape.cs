namespace Optim;

/// <summary>How a rule computes, which decides what it costs.</summary>
public enum RuleShape
{
    /// <summary>Every element by itself.</summary>
    Elementwise,

    /// <summary>With sums over rows, tensors or everything.</summary>
    Reduced,

    /// <summary>With products, roots or factorizations of matrices.</summary>
    Matrix,
}
