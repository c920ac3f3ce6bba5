// Who carries a dense algorithm out: one thread of the host, or the threads of one block on the device. Algorithms of
// linalg/ are written once, over a team: its members share out the columns of a matrix, meet at sync(), and perform
// every sum in the same order, so that the host and the device get the same bits.
#pragma once

#include <cmath>

#if defined(__CUDACC__)
#define OPTIM_TEAM_FN __device__ inline
#else
#define OPTIM_TEAM_FN inline
#endif

#if defined(__CUDACC__) || defined(__clang__)
#define OPTIM_UNROLL _Pragma("unroll")
#else
#define OPTIM_UNROLL _Pragma("GCC unroll 16")
#endif

namespace optim::linalg {

// Matrices of n columns are stored row by row, rows padded to an odd number of vectors: walking down a group of columns
// then goes through all sets of a cache.
constexpr int column_multiple = 8;
constexpr int padded(int n) { return ((n + column_multiple - 1) / column_multiple | 1) * column_multiple; }

// A sum has this many partial sums, element i belonging to partial sum i mod lanes.
constexpr int lanes = 32;

// The team of one.
struct SerialTeam {
  static constexpr int width = column_multiple;  // neighbouring columns that a member works on at once

  OPTIM_TEAM_FN int rank() const { return 0; }
  OPTIM_TEAM_FN int size() const { return 1; }
  OPTIM_TEAM_FN void sync() const {}

  // The sum of term(i) for i in [0, n), on every member. Begins and ends as sync() does.
  template <class Term>
  OPTIM_TEAM_FN double sum(int n, const Term& term) const {
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
  OPTIM_TEAM_FN double max(double value) const { return value; }
};

// body(column) for the first of every group of Team::width columns that this member works on, among [first, end).
template <class Team, class Body>
OPTIM_TEAM_FN void for_columns(const Team& team, int first, int end, const Body& body) {
  const int stride = team.size() * Team::width;
  for (int column = first / Team::width * Team::width + team.rank() * Team::width; column < end; column += stride)
    body(column);
}

}  // namespace optim::linalg
