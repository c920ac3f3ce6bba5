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

// Where the QL method stands.
struct QlState {
  int eigenvalue;  // those before it have converged
  int tries;
  double threshold;  // off-diagonal elements up to this are taken for zero: the roundoff of the largest eigenvalue
  long long used;    // of the list of rotations
  enum Progress { sweeping, converged, failed } progress;
};

// Matrices of matrix_size(n) numbers, vectors of padded(n). The vectors and the state are better kept in shared memory
// on a device.
struct EigenWorkspace {
  double* matrix;        // in: the matrix, both triangles; overwritten
  double* eigenvectors;  // out: one eigenvector a row
  double* diagonal;      // out: the eigenvalues, in no particular order
  double* off_diagonal;
  double *u, *w, *former_u, *former_w;
  QlState* state;

  static constexpr int vectors = 6;
};

namespace detail {

// A = Q T Q^T with T tridiagonal. Step k reflects column k below the diagonal onto its first element, by
// H = I - u u^T with |u|^2 = 2:
//   A <- H A H = A - u w^T - w u^T,   w = p - (p^T u) u / 2,   p = A u.
// The update of one step is carried out together with the product A u of the next, for the matrix is larger than the
// caches. The reflectors u become the rows of `eigenvectors`, padded(n) apart.
template <class Team>
OPTIM_TEAM_FN void tridiagonalize(const Team& team, int n, const EigenWorkspace& work) {
  constexpr int width = Team::width;
  const PanelMatrix a{work.matrix, panel_rows(n)};
  double *u = work.u, *w = work.w, *former_u = work.former_u, *former_w = work.former_w;
  for_columns(team, 0, padded(n), [&](int column) {
    OPTIM_UNROLL
    for (int c = 0; c < width; ++c) former_u[column + c] = former_w[column + c] = 0;
  });
  team.sync();
  for (int k = 0; k < n; ++k) {
    for_columns(team, k, n, [&](int column) {
      double* const row = a.columns(column) + k * panel_width;
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) {
        row[c] -= former_u[k] * former_w[column + c] + former_w[k] * former_u[column + c];
      }
    });
    team.sync();
    if (team.rank() == 0) work.diagonal[k] = a(k, k);
    if (k + 1 >= n) {
      if (team.rank() == 0) work.off_diagonal[k] = 0;
      break;
    }
    const double head = a(k, k + 1);
    const double tail = team.sum(n - k - 2, [&](int i) { return a(k, k + 2 + i) * a(k, k + 2 + i); });
    const bool reflects = tail > negligible * negligible;
    const double norm = sqrt(head * head + tail);
    const double reflected = !reflects ? head : head > 0 ? -norm : norm;
    const double scale = reflects ? 1 / sqrt(norm * (norm + fabs(head))) : 0;
    if (team.rank() == 0) work.off_diagonal[k] = reflected;
    double* const reflector = work.eigenvectors + static_cast<long long>(k) * padded(n);
    for_columns(team, 0, padded(n), [&](int column) {
      const double* const row = a.columns(column) + k * panel_width;
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) {
        const int i = column + c;
        const double v = i == k + 1 ? head - reflected : i > k + 1 && i < n ? row[c] : 0;
        u[i] = reflector[i] = scale * v;
      }
    });
    team.sync();
    for_columns(team, k + 1, n, [&](int column) {
      double* const q = a.columns(column);
      double u1[width], w1[width], x[width];
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) {
        u1[c] = former_u[column + c];
        w1[c] = former_w[column + c];
        x[c] = 0;
      }
      for (int i = k + 1; i < n; ++i) {
        double* const row = q + i * panel_width;
        const double ui = former_u[i], wi = former_w[i], factor = u[i];
        OPTIM_UNROLL
        for (int c = 0; c < width; ++c) {
          const double value = row[c] - (ui * w1[c] + wi * u1[c]);
          row[c] = value;
          x[c] += factor * value;
        }
      }
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) w[column + c] = x[c];
    });
    const double half = 0.5 * team.sum(n - k - 1, [&](int i) { return w[k + 1 + i] * u[k + 1 + i]; });
    for_columns(team, k + 1, n, [&](int column) {
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) w[column + c] -= half * u[column + c];
    });
    team.sync();
    double* swapped = u;
    u = former_u;
    former_u = swapped;
    swapped = w;
    w = former_w;
    former_w = swapped;
  }
}

// Q, the product of the reflectors, in place of the matrix; then the rows of `eigenvectors` become those of Q^T.
template <class Team>
OPTIM_TEAM_FN void accumulate_reflectors(const Team& team, int n, const EigenWorkspace& work) {
  constexpr int width = Team::width;
  const PanelMatrix product{work.matrix, panel_rows(n)}, transposed{work.eigenvectors, panel_rows(n)};
  team.sync();
  for_columns(team, 0, padded(n), [&](int column) {
    double* const q = product.columns(column);
    for (int i = 0; i < n; ++i) {
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) q[i * panel_width + c] = column + c == i ? 1 : 0;
    }
    // Reflector k leaves the rows and columns up to k alone.
    const int last = column + width - 2 < n - 3 ? column + width - 2 : n - 3;
    for (int k = last; k >= 0; --k) {
      const double* const u = work.eigenvectors + static_cast<long long>(k) * padded(n);
      double x[width];
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) x[c] = 0;
      for (int i = k + 1; i < n; ++i) {
        OPTIM_UNROLL
        for (int c = 0; c < width; ++c) x[c] += u[i] * q[i * panel_width + c];
      }
      for (int i = k + 1; i < n; ++i) {
        OPTIM_UNROLL
        for (int c = 0; c < width; ++c) q[i * panel_width + c] -= u[i] * x[c];
      }
    }
  });
  team.sync();
  for_columns(team, 0, padded(n), [&](int column) {
    double* const q = transposed.columns(column);
    for (int i = 0; i < n; ++i) {
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) q[i * panel_width + c] = column + c < n ? product(column + c, i) : 0;
    }
  });
}

// One implicit QL step on the block [low, high] of the tridiagonal matrix. Its rotations, of rows high and high - 1,
// ..., low + 1 and low, are appended to the list as low, high and pairs of cosine and sine.
OPTIM_TEAM_FN void chase_bulge(const EigenWorkspace& work, QlState& state, int high) {
  double* const d = work.diagonal;
  double* const e = work.off_diagonal;
  const int low = state.eigenvalue;
  double* const head = work.matrix + state.used;
  double* pair = head + 2;
  int last = low;
  // Wilkinson's shift: the eigenvalue nearer to d[low] of the 2 x 2 block at the top.
  const double ratio = (d[low + 1] - d[low]) / (2 * e[low]);
  const double root = sqrt(ratio * ratio + 1);
  double g = d[high] - d[low] + e[low] / (ratio + (ratio < 0 ? -root : root));
  double sine = 1, cosine = 1, shift = 0;
  bool whole = true;
  for (int i = high - 1; i >= low; --i) {
    const double f = sine * e[i];
    const double b = cosine * e[i];
    const double square = f * f + g * g;
    if (square <= negligible * negligible) {  // the block falls apart: the rotations from here on are the identity
      e[i + 1] = 0;
      d[i + 1] -= shift;
      last = i + 1;
      whole = false;
      break;
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
    *pair++ = cosine;
    *pair++ = sine;
  }
  if (whole) {
    d[low] -= shift;
    e[low] = g;
  }
  e[high] = 0;
  head[0] = last;
  head[1] = high;
  state.used += pair - head;
}

OPTIM_TEAM_FN void start_sweeps(const EigenWorkspace& work, int n) {
  double largest = negligible;
  for (int i = 0; i < n; ++i) {
    const double extent = fabs(work.diagonal[i]) + fabs(work.off_diagonal[i]);
    largest = extent > largest ? extent : largest;
  }
  *work.state = {0, 0, roundoff * largest, 0, QlState::sweeping};
}

// Sweeps until the eigenvalues have converged or the list of rotations, which takes the place of the matrix, is full.
OPTIM_TEAM_FN void sweep(const EigenWorkspace& work, int n) {
  constexpr int most_tries = 60;
  QlState& state = *work.state;
  state.used = 0;
  for (; state.eigenvalue < n; ++state.eigenvalue, state.tries = 0) {
    for (;;) {
      int high = state.eigenvalue;
      while (high + 1 < n && fabs(work.off_diagonal[high]) > state.threshold) ++high;
      if (high == state.eigenvalue) break;
      if (state.used + 2 * (high - state.eigenvalue + 1) > matrix_size(n)) return;
      if (state.tries++ == most_tries) {
        state.progress = QlState::failed;
        return;
      }
      chase_bulge(work, state, high);
    }
  }
  state.progress = QlState::converged;
}

// The rotations of the list, on the rows of the eigenvectors.
template <class Team>
OPTIM_TEAM_FN void rotate_rows(const Team& team, int n, const EigenWorkspace& work) {
  constexpr int width = Team::width;
  const PanelMatrix vectors{work.eigenvectors, panel_rows(n)};
  const double* const end = work.matrix + work.state->used;
  for_columns(team, 0, n, [&](int column) {
    double* const q = vectors.columns(column);
    for (const double* next = work.matrix; next < end;) {
      const int low = static_cast<int>(next[0]), high = static_cast<int>(next[1]);
      next += 2;
      double upper[width];
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) upper[c] = q[high * panel_width + c];
      for (int i = high - 1; i >= low; --i, next += 2) {
        double* const row = q + i * panel_width;
        const double cosine = next[0], sine = next[1];
        OPTIM_UNROLL
        for (int c = 0; c < width; ++c) {
          const double lower = row[c];
          row[panel_width + c] = sine * lower + cosine * upper[c];
          upper[c] = cosine * lower - sine * upper[c];
        }
      }
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) q[low * panel_width + c] = upper[c];
    }
  });
}

}  // namespace detail

// The elements must be finite and the largest of them near 1; the padding of rows must be 0. False if the iteration
// does not end, which is unheard of.
template <class Team>
OPTIM_TEAM_FN bool symmetric_eigen(const Team& team, int n, const EigenWorkspace& work) {
  team.sync();
  detail::tridiagonalize(team, n, work);
  detail::accumulate_reflectors(team, n, work);
  if (team.rank() == 0) detail::start_sweeps(work, n);
  for (;;) {
    team.sync();
    if (team.rank() == 0) detail::sweep(work, n);
    team.sync();
    detail::rotate_rows(team, n, work);
    if (work.state->progress != QlState::sweeping) return work.state->progress == QlState::converged;
  }
}

}  // namespace optim::linalg
