// Who carries a dense algorithm out: one thread of the host, or the threads of one block on the device. Algorithms of
// linalg/ are written once, over a team: its members share out the columns of a matrix, meet at sync(), and perform
// every sum in the same order, so that the host and the device get the same bits.
#pragma once

#include <cmath>

#include "core/config.h"

// Of internal linkage: the host compiles these functions once per instruction set, and no copy may serve for another.
#if defined(__CUDACC__)
#define OPTIM_TEAM_FN static __device__ inline
#else
#define OPTIM_TEAM_FN static inline
#endif

#if defined(__CUDACC__) || defined(__clang__)
#define OPTIM_UNROLL _Pragma("unroll")
#else
#define OPTIM_UNROLL _Pragma("GCC unroll 16")
#endif

namespace optim::linalg {

// A matrix is stored in panels of this many columns, one panel after the other, each row by row: going down a group of
// columns is going through memory in order.
constexpr int panel_width = 8;
constexpr int padded(int n) { return (n + panel_width - 1) / panel_width * panel_width; }

// Rows of every panel: an odd number, so that the panels' elements of one row do not share a set of the cache.
constexpr int panel_rows(int n) { return n | 1; }

// Numbers in a matrix of n columns and n rows.
constexpr long long matrix_size(int n) { return static_cast<long long>(panel_rows(n)) * padded(n); }

struct PanelMatrix {
  double* data;
  int rows;  // panel_rows(n)

  // The element of row 0 and that column; the next row's is panel_width further on, the next column's 1, to the end of
  // the panel.
  OPTIM_FN double* columns(int column) const {
    return data + static_cast<long long>(column / panel_width) * rows * panel_width + column % panel_width;
  }
  OPTIM_FN double& operator()(int i, int j) const { return columns(j)[i * panel_width]; }
};

// A sum has this many partial sums, element i belonging to partial sum i mod lanes.
constexpr int lanes = 32;

// The team of one.
struct SerialTeam {
  static constexpr int width = panel_width;       // neighbouring columns that a member works on at once
  static constexpr int tile_width = panel_width;  // of a product

  OPTIM_FN int rank() const { return 0; }
  OPTIM_FN int size() const { return 1; }
  OPTIM_FN void sync() const {}

  // The sum of term(i) for i in [0, n), on every member. Begins and ends as sync() does.
  template <class Term>
  OPTIM_FN double sum(int n, const Term& term) const {
    double partial[lanes] = {};
    int i = 0;
    for (; i + lanes <= n; i += lanes) {
      for (int lane = 0; lane < lanes; ++lane) partial[lane] += term(i + lane);
    }
    for (int lane = 0; i + lane < n; ++lane) partial[lane] += term(i + lane);
    double total = 0;
    for (const double value : partial) total += value;
    return total;
  }

  // The largest of the members' values, which are not NaN. Begins and ends as sync() does.
  OPTIM_FN double max(double value) const { return value; }
};

// body(column) for the first of every group of Team::width columns that this member works on, among [first, end).
template <class Team, class Body>
OPTIM_TEAM_FN void for_columns(const Team& team, int first, int end, const Body& body) {
  const int stride = team.size() * Team::width;
  for (int column = first / Team::width * Team::width + team.rank() * Team::width; column < end; column += stride)
    body(column);
}

}  // namespace optim::linalg
