// A box of a dense row-major tensor seen along one of its dimensions: n numbers apart by `step`, a fibre, for every
// choice of the other indices.
#pragma once

#include <cstdint>

#include "core/config.h"
#include "core/matrix_view.h"

namespace optim::linalg {

struct Fibres {
  static constexpr int max_digits = max_rank;

  std::int32_t n;
  std::int32_t digits;  // the other indices, the innermost first; those that run on into each other are one
  std::int64_t step;
  std::int64_t count;
  std::int64_t begin;  // of the box in the tensor
  std::int64_t size[max_digits];
  std::int64_t stride[max_digits];

  // The first element of a fibre.
  OPTIM_FN std::int64_t first(std::int64_t fibre) const {
    std::int64_t at = begin;
    for (int d = 0; d + 1 < digits; ++d) {
      at += fibre % size[d] * stride[d];
      fibre /= size[d];
    }
    return at + fibre * stride[digits - 1];
  }

  bool operator==(const Fibres& other) const;
};

Fibres fibres(const MatrixView& view, const MatrixBlock& block, int dimension);

}  // namespace optim::linalg
