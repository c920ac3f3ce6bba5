namespace Optim;

/// <summary>What a rule costs for each element of a tensor, counted in floats: 32-bit storage, default hyper-parameters, no
/// helpers, its inputs given. What happens every k steps counts a k-th; matrices count wholly.</summary>
/// <param name="Vector">Floats that a step reads and writes, of a vector of 256 elements.</param>
/// <param name="Matrix">The same of a matrix of 256 x 256: reduced rules read once a row of it that is
/// all they sum, and twice a matrix that they sum as a whole.</param>
/// <param name="VectorState">Floats of state, of the vector.</param>
/// <param name="MatrixState">Floats of state, of the matrix.</param>
public sealed record StepCost(double Vector, double Matrix, double VectorState, double MatrixState);
