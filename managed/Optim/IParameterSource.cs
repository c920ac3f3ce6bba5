namespace Optim;

/// <summary>Follows tensors that another library owns and moves: optimizers ask it before every use of their
/// parameters.</summary>
public interface IParameterSource
{
    /// <summary>Brings the values (<see cref="Tensor.Rebind"/>) and gradients (<see cref="Parameter.Gradient"/>) of the
    /// parameters up to date. What it throws reaches the caller of the step, which then changes nothing.</summary>
    void Refresh();
}
