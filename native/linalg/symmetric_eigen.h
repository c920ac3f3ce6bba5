// Eigenvalues and eigenvectors of a real symmetric matrix in double: Householder tridiagonalization, then the implicit
// QL method with Wilkinson's shift (Golub & Van Loan, Matrix Computations, sections 8.3.1 and 8.3.5). About 9 n^3
// operations, errors of a few units of roundoff of the largest eigenvalue.
#pragma once

#include <cfloat>
#include <cmath>

#include "linalg/team.h"

namespace optim::linalg {

constexpr double roundoff = DBL_EPSILON / 2;

// For matrices whose largest element is near 1: what is smaller vanishes beside it, and its square is still a normal
// number.
constexpr double negligible = 1e-100;

// The next sweep of plane rotations: of rows high and high - 1, ..., low + 1 and low.
struct QlSweep {
  int low, high;
  int eigenvalue;  // those before it have converged
  int tries;
  double threshold;  // off-diagonal elements up to this are taken for zero: the roundoff of the largest eigenvalue
  enum State { sweep, converged, failed } state;
};

// Matrices n x padded(n), vectors padded(n). The vectors and the sweep are better kept in shared memory on a device.
struct EigenWorkspace {
  double* matrix;        // in: the matrix, both triangles; overwritten
  double* eigenvectors;  // out: one eigenvector a row
  double* diagonal;      // out: the eigenvalues, in no particular order
  double* off_diagonal;
  double* reflector;  // later the rotations' cosines
  double* product;    // later their sines
  QlSweep* sweep;

  static constexpr int vectors = 4;
};

namespace detail {

// Column by column: x = sum_i weight[i] row_i over rows [first, n).
template <int Width>
OPTIM_TEAM_FN void combine_rows(const double* rows, const double* weight, int stride, int first, int n, int column,
                                double (&x)[Width]) {
  OPTIM_UNROLL
  for (int c = 0; c < Width; ++c) x[c] = 0;
  for (int i = first; i < n; ++i) {
    const double* const row = rows + static_cast<long long>(i) * stride + column;
    const double w = weight[i];
    OPTIM_UNROLL
    for (int c = 0; c < Width; ++c) x[c] += w * row[c];
  }
}

// A = Q T Q^T with T tridiagonal; the rows of `eigenvectors` become those of Q^T. Step k reflects column k below the
// diagonal onto its first element by H = I - tau v v^T:
//   Q^T <- H Q^T,   A <- H A H = A - v w^T - w v^T,   w = p - (tau/2)(p^T v) v,   p = tau A v.
template <class Team>
OPTIM_TEAM_FN void tridiagonalize(const Team& team, int n, const EigenWorkspace& work) {
  constexpr int width = Team::width;
  const int stride = padded(n);
  double* const v = work.reflector;
  double* const w = work.product;
  for_columns(team, 0, stride, [&](int column) {
    for (int i = 0; i < n; ++i) {
      double* const q = work.eigenvectors + static_cast<long long>(i) * stride + column;
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) q[c] = column + c == i ? 1 : 0;
    }
  });
  for (int k = 0; k + 2 < n; ++k) {
    const double* const row = work.matrix + static_cast<long long>(k) * stride;
    const double tail = team.sum(n - k - 2, [&](int i) { return row[k + 2 + i] * row[k + 2 + i]; });
    const double head = row[k + 1];
    if (tail <= negligible * negligible) {
      if (team.rank() == 0) work.off_diagonal[k] = head;
      continue;
    }
    const double norm = sqrt(head * head + tail);
    const double reflected = head > 0 ? -norm : norm;
    const double tau = 1 / (norm * (norm + fabs(head)));  // 2 / v^T v
    if (team.rank() == 0) work.off_diagonal[k] = reflected;
    for_columns(team, 0, stride, [&](int column) {
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) {
        const int i = column + c;
        v[i] = i == k + 1 ? head - reflected : i > k + 1 && i < n ? row[i] : 0;
      }
    });
    team.sync();
    for_columns(team, k + 1, n, [&](int column) {
      double x[width];
      combine_rows<width>(work.matrix, v, stride, k + 1, n, column, x);
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) w[column + c] = tau * x[c];
    });
    for_columns(team, 0, n, [&](int column) {
      double x[width];
      combine_rows<width>(work.eigenvectors, v, stride, k + 1, n, column, x);
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) x[c] *= tau;
      for (int i = k + 1; i < n; ++i) {
        double* const q = work.eigenvectors + static_cast<long long>(i) * stride + column;
        OPTIM_UNROLL
        for (int c = 0; c < width; ++c) q[c] -= v[i] * x[c];
      }
    });
    const double half = 0.5 * tau * team.sum(n - k - 1, [&](int i) { return w[k + 1 + i] * v[k + 1 + i]; });
    for_columns(team, k + 1, n, [&](int column) {
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) w[column + c] -= half * v[column + c];
    });
    team.sync();
    // Columns up to k are not read any more, so that whole groups of columns may be written.
    for_columns(team, k + 1, n, [&](int column) {
      for (int i = k + 1; i < n; ++i) {
        double* const a = work.matrix + static_cast<long long>(i) * stride + column;
        const double vi = v[i], wi = w[i];
        OPTIM_UNROLL
        for (int c = 0; c < width; ++c) a[c] -= vi * w[column + c] + wi * v[column + c];
      }
    });
  }
  team.sync();
  if (team.rank() == 0) {
    for (int k = 0; k < n; ++k) work.diagonal[k] = work.matrix[static_cast<long long>(k) * stride + k];
    if (n > 1) work.off_diagonal[n - 2] = work.matrix[static_cast<long long>(n - 2) * stride + n - 1];
    work.off_diagonal[n - 1] = 0;
  }
}

// One implicit QL step on the block [low, high] of the tridiagonal matrix; its rotations are noted for the
// eigenvectors.
OPTIM_TEAM_FN void chase_bulge(const EigenWorkspace& work, QlSweep& sweep, int high) {
  double* const d = work.diagonal;
  double* const e = work.off_diagonal;
  const int low = sweep.eigenvalue;
  sweep.low = low;
  sweep.high = high;
  // Wilkinson's shift: the eigenvalue nearer to d[low] of the 2 x 2 block at the top.
  const double ratio = (d[low + 1] - d[low]) / (2 * e[low]);
  const double root = sqrt(ratio * ratio + 1);
  double g = d[high] - d[low] + e[low] / (ratio + (ratio < 0 ? -root : root));
  double sine = 1, cosine = 1, shift = 0;
  for (int i = high - 1; i >= low; --i) {
    const double f = sine * e[i];
    const double b = cosine * e[i];
    const double square = f * f + g * g;
    if (square <= negligible * negligible) {  // the block falls apart: the rotations from here on are the identity
      e[i + 1] = 0;
      d[i + 1] -= shift;
      e[high] = 0;
      sweep.low = i + 1;
      return;
    }
    const double r = sqrt(square);
    e[i + 1] = r;
    sine = f / r;
    cosine = g / r;
    g = d[i + 1] - shift;
    const double t = (d[i] - g) * sine + 2 * cosine * b;
    shift = sine * t;
    d[i + 1] = g + shift;
    g = cosine * t - b;
    work.reflector[i] = cosine;
    work.product[i] = sine;
  }
  d[low] -= shift;
  e[low] = g;
  e[high] = 0;
}

OPTIM_TEAM_FN void start_sweeps(const EigenWorkspace& work, int n) {
  double largest = negligible;
  for (int i = 0; i < n; ++i) {
    const double extent = fabs(work.diagonal[i]) + fabs(work.off_diagonal[i]);
    largest = extent > largest ? extent : largest;
  }
  *work.sweep = {0, 0, 0, 0, roundoff * largest, QlSweep::sweep};
}

// Goes on to the next eigenvalue that has not converged and sweeps its block.
OPTIM_TEAM_FN void next_sweep(const EigenWorkspace& work, int n) {
  constexpr int most_tries = 60;
  QlSweep& sweep = *work.sweep;
  for (; sweep.eigenvalue < n; ++sweep.eigenvalue, sweep.tries = 0) {
    int high = sweep.eigenvalue;
    while (high + 1 < n && fabs(work.off_diagonal[high]) > sweep.threshold) ++high;
    if (high == sweep.eigenvalue) continue;
    sweep.state = sweep.tries++ < most_tries ? QlSweep::sweep : QlSweep::failed;
    if (sweep.state == QlSweep::sweep) chase_bulge(work, sweep, high);
    return;
  }
  sweep.state = QlSweep::converged;
}

// Rows i and i + 1 of the eigenvectors, for i = high - 1, ..., low.
template <class Team>
OPTIM_TEAM_FN void rotate_rows(const Team& team, int n, const EigenWorkspace& work) {
  constexpr int width = Team::width;
  const int stride = padded(n);
  const int low = work.sweep->low, high = work.sweep->high;
  for_columns(team, 0, n, [&](int column) {
    double* const q = work.eigenvectors + column;
    double upper[width];
    OPTIM_UNROLL
    for (int c = 0; c < width; ++c) upper[c] = q[static_cast<long long>(high) * stride + c];
    for (int i = high - 1; i >= low; --i) {
      double* const row = q + static_cast<long long>(i) * stride;
      const double cosine = work.reflector[i], sine = work.product[i];
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) {
        const double lower = row[c];
        row[stride + c] = sine * lower + cosine * upper[c];
        upper[c] = cosine * lower - sine * upper[c];
      }
    }
    OPTIM_UNROLL
    for (int c = 0; c < width; ++c) q[static_cast<long long>(low) * stride + c] = upper[c];
  });
}

}  // namespace detail

// The elements must be finite and the largest of them near 1. False if the iteration does not end, which is unheard of.
template <class Team>
OPTIM_TEAM_FN bool symmetric_eigen(const Team& team, int n, const EigenWorkspace& work) {
  team.sync();
  detail::tridiagonalize(team, n, work);
  if (team.rank() == 0) detail::start_sweeps(work, n);
  for (;;) {
    team.sync();
    if (team.rank() == 0) detail::next_sweep(work, n);
    team.sync();
    if (work.sweep->state != QlSweep::sweep) return work.sweep->state == QlSweep::converged;
    detail::rotate_rows(team, n, work);
  }
}

}  // namespace optim::linalg
