// Products X^T X, tile by tile: what statistics are summed from and roots put together with.
#pragma once

#include "linalg/team.h"

namespace optim::linalg {

constexpr int tile_size = 4;

using GramTile = double[tile_size][tile_size];

// tile += sum_k x[k][i + r] x[k][j + s], k ascending; x has `rows` rows of `stride` numbers.
OPTIM_TEAM_FN void add_gram_tile(const double* x, int stride, int rows, int i, int j, GramTile& tile) {
  double sum[tile_size][tile_size];
  OPTIM_UNROLL
  for (int r = 0; r < tile_size; ++r) {
    OPTIM_UNROLL
    for (int s = 0; s < tile_size; ++s) sum[r][s] = tile[r][s];
  }
  for (int k = 0; k < rows; ++k) {
    const double* const left = x + static_cast<long long>(k) * stride + i;
    const double* const right = x + static_cast<long long>(k) * stride + j;
    OPTIM_UNROLL
    for (int r = 0; r < tile_size; ++r) {
      OPTIM_UNROLL
      for (int s = 0; s < tile_size; ++s) sum[r][s] += left[r] * right[s];
    }
  }
  OPTIM_UNROLL
  for (int r = 0; r < tile_size; ++r) {
    OPTIM_UNROLL
    for (int s = 0; s < tile_size; ++s) tile[r][s] = sum[r][s];
  }
}

// write(i, j, sum) for the elements with i <= j of X^T X, n x n; x is padded to whole tiles.
template <class Team, class Write>
OPTIM_TEAM_FN void gram(const Team& team, const double* x, int stride, int rows, int n, const Write& write) {
  const int tiles = (n + tile_size - 1) / tile_size;
  for (int t = team.rank(); t < tiles * tiles; t += team.size()) {
    const int i = t / tiles * tile_size, j = t % tiles * tile_size;
    if (j < i) continue;
    GramTile tile = {};
    add_gram_tile(x, stride, rows, i, j, tile);
    for (int r = 0; r < tile_size; ++r) {
      for (int s = 0; s < tile_size; ++s) {
        if (i + r <= j + s && j + s < n) write(i + r, j + s, tile[r][s]);
      }
    }
  }
}

}  // namespace optim::linalg
