namespace Optim;

/// <summary>What values a hyper-parameter takes.</summary>
public enum HyperKind
{
    /// <summary>A real number.</summary>
    Real,

    /// <summary>A whole number.</summary>
    Whole,

    /// <summary>0 or 1.</summary>
    Boolean,

    /// <summary>One of a few words, by its index.</summary>
    Word,
}
