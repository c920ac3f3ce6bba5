// Products of matrices in panels (linalg/team.h). Every sum runs over k in order, whatever the tile.
#pragma once

#include "linalg/team.h"

namespace optim::linalg {

constexpr int tile_height = 4;

// write(i, j, sum) for the elements sum_k x(k, i) y(k, j) of X^T Y, X and Y having n rows and columns: all, or those on
// and above the diagonal.
template <class Team, class Write>
OPTIM_TEAM_FN void transposed_product(const Team& team, int n, PanelMatrix x, PanelMatrix y, bool upper,
                                      const Write& write) {
  constexpr int width = Team::tile_width;
  const int down = (n + tile_height - 1) / tile_height, across = (n + width - 1) / width;
  for (int t = team.rank(); t < down * across; t += team.size()) {
    const int i = t / across * tile_height, j = t % across * width;
    if (upper && j + width <= i) continue;
    const double* left = x.columns(i);
    const double* right = y.columns(j);
    double sum[tile_height][width];
    OPTIM_UNROLL
    for (int r = 0; r < tile_height; ++r) {
      OPTIM_UNROLL
      for (int c = 0; c < width; ++c) sum[r][c] = 0;
    }
    for (int k = 0; k < n; ++k, left += panel_width, right += panel_width) {
      OPTIM_UNROLL
      for (int r = 0; r < tile_height; ++r) {
        const double factor = left[r];
        OPTIM_UNROLL
        for (int c = 0; c < width; ++c) sum[r][c] += factor * right[c];
      }
    }
    for (int r = 0; r < tile_height; ++r) {
      for (int c = 0; c < width; ++c) {
        if (i + r < n && j + c < n && (!upper || i + r <= j + c)) write(i + r, j + c, sum[r][c]);
      }
    }
  }
}

}  // namespace optim::linalg
