// Rademacher probes, +1 or -1 with equal probability: what Hutchinson's estimator multiplies the Hessian by (AdaHessian, arXiv
// 2006.00719). Of all tensors laid end to end, element i is negative where bit i mod 32 of number i / 32 is set, in the stream
// `offset` of the seed.
#pragma once

#include <cstdint>

#include "core/random.h"

namespace optim {

// The bit of the element at a position, lowest, and after it those of the next elements up to the end of the number.
OPTIM_FN std::uint32_t probe_bits(std::uint64_t seed, std::uint64_t offset, std::uint64_t position) {
  return random_bits(seed, position / 32, offset) >> (position % 32);
}

// write(i, negative) for `count` elements, the first of which has that position.
template <class Write>
OPTIM_FN void for_probes(int count, std::uint64_t seed, std::uint64_t offset, std::uint64_t position, const Write& write) {
  std::uint32_t bits = 0;
  for (int i = 0; i < count; ++i, bits >>= 1) {
    const std::uint64_t at = position + static_cast<std::uint64_t>(i);
    if (i == 0 || at % 32 == 0) bits = probe_bits(seed, offset, at);
    write(i, (bits & 1u) != 0);
  }
}

}  // namespace optim
