// The ends of the spectrum of a symmetric matrix by the Lanczos method (Golub & Van Loan, Matrix Computations, section
// 10.1), without reorthogonalization: copies of eigenvalues that have converged do no harm at the ends. The largest
// value found is never beyond the largest eigenvalue, the smallest never below the smallest, but for rounding.
#pragma once

#include <cmath>

#include "core/random.h"
#include "engine/cuda/block_team.cuh"
#include "engine/cuda/symmetric_product.cuh"

namespace optim::cuda {

struct SpectrumEnds {
  double smallest, largest;
};

// Room in shared memory.
struct LanczosState {
  static constexpr int most_steps = 96;
  static constexpr int check_every = 8;

  double diagonal[most_steps], off_diagonal[most_steps];
  double partial[2 * product_threads];  // of a product with a vector

  static constexpr int vectors = 3;  // of SquareShape::stride() numbers each, in the memory of the device
};

namespace detail {

// y = A x. Threads take two neighbouring columns each and, where there are fewer columns, a share of the rows.
__device__ inline void multiply_vector(const BlockTeam& team, SquareShape shape, const double* a, const double* x,
                                       double* y, double* partial) {
  const int stride = shape.stride(), pairs = stride / 2;
  const int width = pairs < team.size() ? pairs : team.size(), groups = team.size() / width;
  const int group = team.rank() / width;
  double* const target = groups == 1 ? y : partial + group * stride;
  for (int pair = team.rank() % width; pair < pairs && group < groups; pair += width) {
    const double* element = a + 2 * pair + static_cast<std::int64_t>(group) * stride;
    double2 sum = {0, 0};
#pragma unroll 16
    for (int i = group; i < shape.n; i += groups, element += static_cast<std::int64_t>(groups) * stride) {
      const double2 value = *reinterpret_cast<const double2*>(element);
      const double factor = x[i];
      sum.x += value.x * factor;
      sum.y += value.y * factor;
    }
    target[2 * pair] = sum.x;
    target[2 * pair + 1] = sum.y;
  }
  if (groups == 1) return;
  team.sync();
  for (int j = team.rank(); j < stride; j += team.size()) {
    double sum = 0;
    for (int g = 0; g < groups; ++g) sum += partial[g * stride + j];
    y[j] = sum;
  }
}

// The largest eigenvalue of sign * T for the tridiagonal T of `steps` rows, to 1e-9 of its extent: T - x I has a positive
// pivot if and only if an eigenvalue is above x. Every round divides the interval by the threads of the block.
__device__ inline double largest_of_tridiagonal(const BlockTeam& team, const LanczosState& state, int steps,
                                                double sign) {
  double low = -HUGE_VAL, high = -HUGE_VAL;
  for (int i = 0; i < steps; ++i) {
    const double middle = sign * state.diagonal[i];
    const double reach = (i > 0 ? state.off_diagonal[i - 1] : 0) + (i + 1 < steps ? state.off_diagonal[i] : 0);
    low = middle > low ? middle : low;
    high = middle + reach > high ? middle + reach : high;
  }
#pragma unroll 1
  for (int round = 0; round < 4; ++round) {
    const double part = (high - low) / (team.size() + 1);
    const double x = low + part * (team.rank() + 1);
    double pivot = sign * state.diagonal[0] - x;
    for (int i = 1; i < steps && pivot <= 0; ++i) {
      const double divisor = pivot < -1e-300 ? pivot : -1e-300;
      pivot = sign * state.diagonal[i] - x - state.off_diagonal[i - 1] * state.off_diagonal[i - 1] / divisor;
    }
    const int above = __syncthreads_count(pivot > 0 ? 1 : 0);
    low += part * above;
    high = low + part;
  }
  return low;
}

}  // namespace detail

// Of a matrix whose elements are finite. Ends after most_steps, or when the largest has changed by less than
// `tolerance` of itself since the last check. By the whole block; `vectors` is room for LanczosState::vectors.
__device__ inline SpectrumEnds spectrum_ends(const BlockTeam& team, SquareShape shape, const double* a,
                                             double tolerance, double* vectors, LanczosState& state) {
  const int n = shape.n;
  double *v = vectors, *former = v + shape.stride(), *w = former + shape.stride();
  for (int j = team.rank(); j < shape.stride(); j += team.size()) {
    constexpr std::uint64_t seed = 0x4c616e63;
    v[j] = j < n ? static_cast<double>(random_bits(seed, static_cast<std::uint64_t>(j))) - 2147483647.5 : 0;
    former[j] = w[j] = 0;
  }
  const double length = sqrt(team.sum(n, [&](int j) { return v[j] * v[j]; }));
  for (int j = team.rank(); j < n; j += team.size()) v[j] /= length;

  double beta = 0, extent = 0, largest = HUGE_VAL;
  int steps = 0;
  while (steps < LanczosState::most_steps) {
    team.sync();
    detail::multiply_vector(team, shape, a, v, w, state.partial);
    const double alpha = team.sum(n, [&](int j) { return w[j] * v[j]; });
    for (int j = team.rank(); j < n; j += team.size()) w[j] -= alpha * v[j] + beta * former[j];
    beta = sqrt(team.sum(n, [&](int j) { return w[j] * w[j]; }));
    if (team.rank() == 0) {
      state.diagonal[steps] = alpha;
      state.off_diagonal[steps] = beta;
    }
    ++steps;
    extent = fabs(alpha) + beta > extent ? fabs(alpha) + beta : extent;
    const bool exhausted = !(beta > 1e-13 * extent);  // nothing of the space is left
    if (exhausted || steps % LanczosState::check_every == 0) {
      team.sync();
      const double now = detail::largest_of_tridiagonal(team, state, steps, 1);
      const bool settled = fabs(now - largest) <= tolerance * fabs(now);
      largest = now;
      if (exhausted || settled) break;
    }
    for (int j = team.rank(); j < n; j += team.size()) former[j] = w[j] / beta;
    double* const next = former;
    former = v;
    v = next;
  }
  return {-detail::largest_of_tridiagonal(team, state, steps, -1), largest};
}

}  // namespace optim::cuda
