#include "core/matrix_view.h"

#include <algorithm>
#include <limits>

namespace optim {

int MatrixView::count() const { return position(rank); }

int MatrixView::position(int j) const {
  int result = 0;
  for (int i = 0; i < j; ++i) result += has(i) ? 1 : 0;
  return result;
}

std::int64_t MatrixView::blocks() const {
  std::int64_t result = 1;
  for (int j = 0; j < rank; ++j) {
    const std::int64_t pieces = cuts(j);
    if (result > std::numeric_limits<std::int64_t>::max() / pieces) return std::numeric_limits<std::int64_t>::max();
    result *= pieces;
  }
  return result;
}

MatrixBlock MatrixView::block_at(std::int64_t index) const {
  MatrixBlock result;
  for (int j = rank - 1; j >= 0; --j) {
    const std::int64_t pieces = cuts(j), piece = index % pieces;
    index /= pieces;
    result.begin[j] = piece * block;
    result.size[j] = pieces == 1 ? shape[j] : std::min(block, shape[j] - result.begin[j]);
  }
  return result;
}

bool MatrixView::has_matrices_of(const MatrixView& other) const {
  if (dimensions == 0 || dimensions != other.dimensions) return dimensions == other.dimensions;
  return rank == other.rank && shape == other.shape && (block == other.block || (blocks() == 1 && other.blocks() == 1));
}

MatrixView whole_view(int rank, const std::int64_t* shape) {
  MatrixView view;
  view.rank = std::max(rank, 1);
  view.shape[0] = 1;
  std::copy(shape, shape + rank, view.shape.begin());
  view.dimensions = (1u << view.rank) - 1;
  return view;
}

}  // namespace optim
