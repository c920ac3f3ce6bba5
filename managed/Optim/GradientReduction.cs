using Optim.Interop;

namespace Optim;

/// <summary>How <see cref="GradientSurgery"/> reduces the gradients of the tasks to one.</summary>
public enum GradientReduction
{
    /// <summary>Their sum, as the paper has it.</summary>
    Sum = Native.REDUCTION_SUM,

    /// <summary>Their mean, where every task has a gradient; elsewhere the sum.</summary>
    Mean = Native.REDUCTION_MEAN,
}
