// Inverse p-th roots of symmetric positive semidefinite matrices.
#pragma once

#include <cfloat>
#include <cmath>
#include <limits>

#include "linalg/gram_tile.h"
#include "linalg/symmetric_eigen.h"

namespace optim::linalg {

struct InverseRoot {
  double root;  // p
  // Eigenvalues are raised to at least this; where it is 0, and the ridge too, to what rounding loses: n u max(largest,
  // 1e-16).
  double floor = 0;
  double ridge = 0;  // times max(largest eigenvalue, 1e-16), added to every eigenvalue
};

constexpr double smallest_scale = 1e-16;  // the least a ridge and a floor are relative to

// result = ((A + A^T) / 2)^(-1/p) = Q diag(lambda)^(-1/p) Q^T for A = Q diag(lambda) Q^T, n x n without padding; result
// may be A. False, and the result is left alone, when A has an element that is not finite or the result would overflow
// its type.
template <class Team, class Stored>
OPTIM_TEAM_FN bool inverse_root(const Team& team, int n, const Stored* a, Stored* result, const InverseRoot& options,
                                const EigenWorkspace& work) {
  constexpr double infinity = HUGE_VAL;
  constexpr int width = Team::width;
  const int stride = padded(n);
  double largest_element = 0;
  for_columns(team, 0, n, [&](int column) {
    for (int i = 0; i < n; ++i) {
      for (int j = column; j < column + width && j < n; ++j) {
        const double magnitude = fabs(static_cast<double>(a[static_cast<long long>(i) * n + j]));
        const double finite = magnitude <= DBL_MAX ? magnitude : infinity;  // and neither is NaN
        largest_element = finite > largest_element ? finite : largest_element;
      }
    }
  });
  largest_element = team.max(largest_element);
  if (largest_element == infinity) return false;

  // A power of two near the largest element is taken out, without rounding, so that squares neither overflow nor
  // vanish.
  int exponent = 0;
  frexp(largest_element, &exponent);
  exponent = exponent < -1000 ? -1000 : exponent > 1000 ? 1000 : exponent;
  const double scale = ldexp(1.0, exponent), inverse_scale = ldexp(1.0, -exponent);
  for_columns(team, 0, stride, [&](int column) {
    for (int i = 0; i < n; ++i) {
      for (int j = column; j < column + width; ++j) {
        double mean = 0;
        if (j < n) {
          mean = 0.5 * (inverse_scale * static_cast<double>(a[static_cast<long long>(i) * n + j]) +
                        inverse_scale * static_cast<double>(a[static_cast<long long>(j) * n + i]));
        }
        work.matrix[static_cast<long long>(i) * stride + j] = mean;
      }
    }
  });
  if (!symmetric_eigen(team, n, work)) return false;

  double largest = -infinity, smallest = infinity;
  for (int i = 0; i < n; ++i) {
    const double value = scale * work.diagonal[i];
    largest = value > largest ? value : largest;
    smallest = value < smallest ? value : smallest;
  }
  const double reference = largest > smallest_scale ? largest : smallest_scale;
  const double floor = options.floor > 0 || options.ridge > 0 ? options.floor : n * roundoff * reference;
  const double shift = options.ridge * reference;
  const auto raised = [&](double value) { return (value > floor ? value : floor) + shift; };
  if (!(pow(raised(smallest), -1 / options.root) <= static_cast<double>(std::numeric_limits<Stored>::max())))
    return false;

  // With the rows of Q^T scaled by lambda^(-1/2p), the result is their Gram matrix: exactly symmetric.
  team.sync();
  for (int i = team.rank(); i < n; i += team.size()) {
    work.product[i] = pow(raised(scale * work.diagonal[i]), -0.5 / options.root);
  }
  team.sync();
  for_columns(team, 0, stride, [&](int column) {
    for (int i = 0; i < n; ++i) {
      double* const q = work.eigenvectors + static_cast<long long>(i) * stride + column;
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) q[c] *= work.product[i];
    }
  });
  team.sync();
  gram(team, work.eigenvectors, stride, n, n, [&](int i, int j, double value) {
    result[static_cast<long long>(i) * n + j] = result[static_cast<long long>(j) * n + i] = static_cast<Stored>(value);
  });
  return true;
}

}  // namespace optim::linalg
