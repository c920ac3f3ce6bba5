// Inverse p-th roots of symmetric positive semidefinite matrices.
#pragma once

#include <cfloat>
#include <cmath>
#include <limits>

#include "linalg/products.h"
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

enum class RootOutcome {
  taken,
  indefinite,  // taken, and an eigenvalue that was raised was further below 0 than the rounding of a's elements
               // explains
  skipped,     // the result is left alone: an element is not finite, or the result would not be in its type
};

// The largest magnitude in A; infinity where an element is not finite.
template <class Team, class Stored>
OPTIM_TEAM_FN double largest_magnitude(const Team& team, int n, const Stored* a) {
  constexpr double infinity = HUGE_VAL;
  constexpr int width = Team::width;
  double largest = 0;
  for_columns(team, 0, n, [&](int column) {
    for (int i = 0; i < n; ++i) {
      for (int j = column; j < column + width && j < n; ++j) {
        const double magnitude = fabs(static_cast<double>(a[static_cast<long long>(i) * n + j]));
        const double finite = magnitude <= DBL_MAX ? magnitude : infinity;  // and neither is NaN
        largest = finite > largest ? finite : largest;
      }
    }
  });
  return team.max(largest);
}

// matrix = scale (A + A^T) / 2, zeros in the padding of rows.
template <class Team, class Stored>
OPTIM_TEAM_FN void load_symmetric(const Team& team, int n, const Stored* a, double scale, PanelMatrix matrix) {
  constexpr int width = Team::width;
  for_columns(team, 0, padded(n), [&](int column) {
    double* const target = matrix.columns(column);
    for (int i = 0; i < n; ++i) {
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) {
        const int j = column + c;
        double mean = 0;
        if (j < n) {
          mean = 0.5 * (scale * static_cast<double>(a[static_cast<long long>(i) * n + j]) +
                        scale * static_cast<double>(a[static_cast<long long>(j) * n + i]));
        }
        target[i * panel_width + c] = mean;
      }
    }
  });
}

// result = ((A + A^T) / 2)^(-1/p) = Q diag(lambda)^(-1/p) Q^T for A = Q diag(lambda) Q^T, n x n row by row; result may
// be A.
template <class Team, class Stored>
OPTIM_TEAM_FN RootOutcome inverse_root(const Team& team, int n, const Stored* a, Stored* result,
                                       const InverseRoot& options, const EigenWorkspace& work) {
  constexpr double infinity = HUGE_VAL;
  constexpr int width = Team::width;
  const double largest_element = largest_magnitude(team, n, a);
  if (largest_element == infinity) return RootOutcome::skipped;

  // A power of two near the largest element is taken out, without rounding, so that squares neither overflow nor
  // vanish.
  int exponent = 0;
  frexp(largest_element, &exponent);
  exponent = exponent < -1000 ? -1000 : exponent > 1000 ? 1000 : exponent;
  const double scale = ldexp(1.0, exponent);
  load_symmetric(team, n, a, ldexp(1.0, -exponent), {work.matrix, panel_rows(n)});
  if (!symmetric_eigen(team, n, work)) return RootOutcome::skipped;

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
    return RootOutcome::skipped;

  // With the rows of Q^T scaled by lambda^(-1/2p), the result is their Gram matrix: exactly symmetric.
  team.sync();
  for (int i = team.rank(); i < n; i += team.size()) {
    work.w[i] = pow(raised(scale * work.diagonal[i]), -0.5 / options.root);
  }
  team.sync();
  const PanelMatrix vectors{work.eigenvectors, panel_rows(n)};
  for_columns(team, 0, padded(n), [&](int column) {
    double* const q = vectors.columns(column);
    for (int i = 0; i < n; ++i) {
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) q[i * panel_width + c] *= work.w[i];
    }
  });
  team.sync();
  transposed_product(team, n, vectors, vectors, true, [&](int i, int j, double value) {
    result[static_cast<long long>(i) * n + j] = result[static_cast<long long>(j) * n + i] = static_cast<Stored>(value);
  });
  const double unit = static_cast<double>(std::numeric_limits<Stored>::epsilon());
  const double magnitude = largest > -smallest ? largest : -smallest;
  return smallest < -n * unit * magnitude ? RootOutcome::indefinite : RootOutcome::taken;
}

}  // namespace optim::linalg
