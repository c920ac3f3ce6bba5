// Shape, strides and storage type of a tensor, checked.
#pragma once

#include <array>
#include <cstdint>

#include "core/dtype.h"
#include "core/extent.h"

namespace optim {

class Name;  // core/error.h

struct Layout {
  DType dtype = DType::f32;
  int rank = 0;
  std::array<std::int64_t, max_rank> shape{};
  std::array<std::int64_t, max_rank> strides{};  // of dimensions with more than one element; 0 of the others
  bool row_major = true;
  Extent extent{0, 1, 1, 1};

  // Whether elements of one index lie at one place.
  bool agrees_with(const Layout& other) const {
    return rank == other.rank && shape == other.shape && strides == other.strides;
  }
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(extent.count) * size_of(dtype); }
};

// These throw Error (invalid argument) that begins with `what`. strides null: row-major. dtype: as in the ABI.
Layout checked_layout(const Name& what, std::int32_t dtype, std::int32_t rank, const std::int64_t* shape,
                      const std::int64_t* strides);

DType checked_dtype(const Name& what, const char* member, std::int32_t dtype);

// A row-major layout whose shape is known to be valid.
Layout row_major(DType dtype, int rank, const std::int64_t* shape);

}  // namespace optim
