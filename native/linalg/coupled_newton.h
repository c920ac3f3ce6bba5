// Inverse p-th roots by the coupled Newton iteration (Guo and Higham: A Schur-Newton method for the matrix p-th root
// and its inverse, 2006): X -> A^(-1/p) while M = X^p A -> I. Products alone; for what starts at a known error and for
// comparison with published implementations. Accuracy at bad condition: linalg/inverse_root.h.
#pragma once

#include "linalg/inverse_root.h"

namespace optim::linalg {

struct CoupledNewton {
  int root;  // p
  int iterations;
  double tolerance;  // ends when max |M - I| is no larger
};

// Matrices of matrix_size(n) numbers.
struct NewtonWorkspace {
  static constexpr int matrices = 5;
  double* matrix[matrices];
};

namespace detail {

// product = X Y; X, Y and the product are symmetric: polynomials in one symmetric matrix.
template <class Team>
OPTIM_TEAM_FN void symmetric_product(const Team& team, int n, PanelMatrix x, PanelMatrix y, PanelMatrix product) {
  team.sync();
  transposed_product(team, n, x, y, true, [&](int i, int j, double value) { product(i, j) = product(j, i) = value; });
  team.sync();
}

// max |M - I|; infinity where M is not finite.
template <class Team>
OPTIM_TEAM_FN double distance_from_identity(const Team& team, int n, PanelMatrix m) {
  double largest = 0;
  for_columns(team, 0, n, [&](int column) {
    for (int i = 0; i < n; ++i) {
      for (int j = column; j < column + Team::width && j < n; ++j) {
        const double magnitude = fabs(m(i, j) - (i == j ? 1 : 0));
        const double finite = magnitude <= DBL_MAX ? magnitude : HUGE_VAL;
        largest = finite > largest ? finite : largest;
      }
    }
  });
  return team.max(largest);
}

}  // namespace detail

// result = X after the last iteration that brought M nearer to I, or left it within 1.2 times as far; error =
// max |M - I|. Starts from X = z^(1/p) I, M = z A, z = (1 + p) / (2 |A|_F); A is (a + a^T) / 2. Skipped, result and
// error left alone, where A is not finite or 0.
template <class Team, class Stored>
OPTIM_TEAM_FN RootOutcome coupled_newton(const Team& team, int n, const Stored* a, Stored* result, double* error,
                                         const CoupledNewton& options, const NewtonWorkspace& work) {
  constexpr int width = Team::width;
  const int p = options.root;
  const double largest_element = largest_magnitude(team, n, a);
  if (!(largest_element > 0 && largest_element <= DBL_MAX)) return RootOutcome::skipped;
  int exponent = 0;
  frexp(largest_element, &exponent);
  exponent = exponent < -1000 ? -1000 : exponent;
  const double scale = ldexp(1.0, exponent);

  const auto matrix = [&](int i) { return PanelMatrix{work.matrix[i], panel_rows(n)}; };
  PanelMatrix x = matrix(0), m = matrix(1), power = matrix(2), spare = matrix(3), next_x = matrix(4);
  load_symmetric(team, n, a, ldexp(1.0, -exponent), m);
  team.sync();
  const double square = team.sum(n, [&](int i) {
    double sum = 0;
    for (int j = 0; j < n; ++j) sum += m(j, i) * m(j, i);
    return sum;
  });
  const double z = (1 + p) / (2 * sqrt(square));  // of the scaled matrix
  const double start = pow(z, 1.0 / p) * pow(scale, -1.0 / p);
  for_columns(team, 0, padded(n), [&](int column) {
    for (int i = 0; i < n; ++i) {
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) {
        m(i, column + c) *= z;
        x(i, column + c) = i == column + c ? start : 0;
        power(i, column + c) = spare(i, column + c) = next_x(i, column + c) = 0;
      }
    }
  });
  const auto swap = [](PanelMatrix& left, PanelMatrix& right) {
    const PanelMatrix former = left;
    left = right;
    right = former;
  };

  double former_error = detail::distance_from_identity(team, n, m);
  for (int iteration = 0; iteration < options.iterations && former_error > options.tolerance; ++iteration) {
    // T = ((p + 1) I - M) / p;  X <- X T;  M <- T^p M
    for_columns(team, 0, n, [&](int column) {
      for (int i = 0; i < n; ++i) {
        for (int j = column; j < column + width && j < n; ++j) power(i, j) = ((i == j ? p + 1 : 0) - m(i, j)) / p;
      }
    });
    detail::symmetric_product(team, n, x, power, next_x);
    for (int bits = p;;) {
      if ((bits & 1) != 0) {
        detail::symmetric_product(team, n, power, m, spare);
        swap(m, spare);
      }
      bits >>= 1;
      if (bits == 0) break;
      detail::symmetric_product(team, n, power, power, spare);
      swap(power, spare);
    }
    const double new_error = detail::distance_from_identity(team, n, m);
    if (!(new_error <= 1.2 * former_error)) break;
    swap(x, next_x);
    former_error = new_error;
  }

  for_columns(team, 0, n, [&](int column) {
    for (int i = 0; i < n; ++i) {
      for (int j = column; j < column + width && j < n; ++j) {
        result[static_cast<long long>(i) * n + j] = static_cast<Stored>(x(i, j));
      }
    }
  });
  if (team.rank() == 0) *error = former_error;
  return RootOutcome::taken;
}

}  // namespace optim::linalg
