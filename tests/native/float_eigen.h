// What an eigendecomposition in float makes of a root.
#pragma once

#include "numbers.h"

namespace optim_test {

// ((A + A^T) / 2)^(-1/p) with eigenvalues raised to 0 and ridge times the largest added, all in float: cyclic Jacobi rotations
// (Golub & Van Loan, Matrix Computations, section 8.5), the most accurate of the common methods.
Values float_eigen_root(const Values& a, int p, float ridge);

}  // namespace optim_test
