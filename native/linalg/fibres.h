// A dense row-major tensor seen along one of its dimensions: n = shape[j] numbers apart by `inner`, a fibre, for every
// choice of the other indices. Fibre f = outer index * inner + inner index.
#pragma once

#include <cstdint>

#include "core/config.h"

namespace optim::linalg {

struct Fibres {
  std::int32_t n;
  std::int64_t inner;
  std::int64_t count;

  // The first element of a fibre.
  OPTIM_FN std::int64_t begin(std::int64_t fibre) const {
    return inner == 1 ? fibre * n : fibre / inner * inner * n + fibre % inner;
  }
};

// Of a tensor without dimensions: as a vector of one element.
inline Fibres fibres(int rank, const std::int64_t* shape, int dimension) {
  Fibres result{1, 1, 1};
  for (int i = 0; i < rank; ++i) {
    if (i == dimension) {
      result.n = static_cast<std::int32_t>(shape[i]);
    } else {
      result.count *= shape[i];
    }
    if (i > dimension) result.inner *= shape[i];
  }
  return result;
}

}  // namespace optim::linalg
