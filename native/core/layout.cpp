#include "core/layout.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"

namespace optim {
namespace {

Extent extent_of(int rank, const std::int64_t* shape) {
  Extent extent{rank, 1, 1, 1};
  const bool empty = std::find(shape, shape + rank, 0) != shape + rank;  // the other sizes may be any
  for (int i = 0; i < rank && !empty; ++i) extent.count *= shape[i];
  if (empty) extent.count = 0;
  extent.rows = rank >= 2 ? shape[0] : 1;
  extent.row_length = extent.rows > 0 ? extent.count / extent.rows : 0;
  return extent;
}

// Dimensions of more than one element, from the innermost outwards, must each step over exactly those inside them.
void check_strides(const Name& what, const Layout& layout, const std::int64_t* strides) {
  std::array<int, max_rank> order{};
  int dims = 0;
  for (int i = 0; i < layout.rank; ++i) {
    if (layout.shape[i] > 1) order[dims++] = i;
  }
  for (int i = 1; i < dims; ++i) {
    for (int k = i; k > 0 && strides[order[k]] < strides[order[k - 1]]; --k) std::swap(order[k], order[k - 1]);
  }
  std::int64_t dense = 1;
  for (int i = 0; i < dims; ++i) {
    if (strides[order[i]] != dense) {
      invalid(what, ".strides[", order[i], "] is ", strides[order[i]], "; the tensor must be dense, where it is ",
              dense);
    }
    dense *= layout.shape[order[i]];
  }
  if (layout.rank >= 2 && layout.shape[0] > 1 && order[dims - 1] != 0) {
    invalid(what, ".strides[0] is ", strides[0], "; dimension 0 must be outermost");
  }
}

// Of the dimensions with more than one element.
std::array<std::int64_t, max_rank> row_major_strides(const Layout& layout) {
  std::array<std::int64_t, max_rank> strides{};
  std::int64_t inner = 1;
  for (int i = layout.rank - 1; i >= 0 && layout.extent.count > 0; --i) {
    if (layout.shape[i] > 1) strides[i] = inner;
    inner *= layout.shape[i];
  }
  return strides;
}

}  // namespace

DType checked_dtype(const Name& what, const char* member, std::int32_t dtype) {
  if (dtype < code_of(DType::f32) || dtype > code_of(DType::bf16)) {
    invalid(what, member, " is ", dtype, "; allowed are 1 (F32), 2 (F64), 3 (F16), 4 (BF16)");
  }
  return static_cast<DType>(dtype - code_of(DType::f32));
}

Layout checked_layout(const Name& what, std::int32_t dtype, std::int32_t rank, const std::int64_t* shape,
                      const std::int64_t* strides) {
  Layout layout;
  layout.dtype = checked_dtype(what, ".dtype", dtype);
  if (rank < 0 || rank > max_rank) invalid(what, ".rank is ", rank, "; allowed are 0 to ", max_rank);
  layout.rank = rank;
  const std::int64_t largest =
      std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(size_of(layout.dtype));
  std::int64_t count = 1;
  for (int i = 0; i < rank; ++i) {
    if (shape[i] < 0) invalid(what, ".shape[", i, "] is ", shape[i], "; a size is at least 0");
    layout.shape[i] = shape[i];
    if (shape[i] == 0) count = 0;
  }
  for (int i = 0; i < rank && count > 0; ++i) {
    if (count > largest / shape[i]) invalid(what, ".shape has more elements than memory can hold");
    count *= shape[i];
  }
  layout.extent = extent_of(rank, layout.shape.data());
  layout.strides = row_major_strides(layout);
  if (strides != nullptr && count > 0) {
    check_strides(what, layout, strides);
    for (int i = 0; i < rank; ++i) {
      if (layout.shape[i] <= 1) continue;
      layout.row_major &= layout.strides[i] == strides[i];
      layout.strides[i] = strides[i];
    }
  }
  return layout;
}

Layout row_major(DType dtype, int rank, const std::int64_t* shape) {
  Layout layout;
  layout.dtype = dtype;
  layout.rank = rank;
  std::copy(shape, shape + rank, layout.shape.begin());
  layout.extent = extent_of(rank, shape);
  layout.strides = row_major_strides(layout);
  return layout;
}

}  // namespace optim
