// How the program of a matrix rule sees a tensor.
#pragma once

#include <array>
#include <cstdint>

#include "core/extent.h"

namespace optim {

// A box of a tensor, in elements along each dimension.
struct MatrixBlock {
  std::array<std::int64_t, max_rank> begin{}, size{};
};

// As dimensions of the rule's choice (its own, or neighbouring ones merged), cut into blocks at multiples of `block`.
// The program runs once for every block; a block has a matrix of each matrix slot for each dimension of the set.
struct MatrixView {
  int rank = 1;
  std::array<std::int64_t, max_rank> shape{};
  std::int64_t block = 0;   // 0: not cut
  unsigned dimensions = 0;  // bit j: dimension j has matrices

  bool has(int j) const { return (dimensions >> j & 1u) != 0; }
  int count() const;          // dimensions in the set
  int position(int j) const;  // of dimension j among them

  std::int64_t cuts(int j) const {  // pieces of dimension j
    return block > 0 && shape[j] > block ? (shape[j] - 1) / block + 1 : 1;
  }
  std::int64_t blocks() const;
  MatrixBlock block_at(std::int64_t index) const;  // in row-major order of the pieces

  // Whether the tensor is cut into the same blocks, with the same matrices.
  bool has_matrices_of(const MatrixView& other) const;
};

// Uncut, with matrices for every dimension; a tensor of rank 0 as a vector of one element.
MatrixView whole_view(int rank, const std::int64_t* shape);

}  // namespace optim
