// Rademacher probes, +1 or -1 with equal probability: what Hutchinson's estimate of the Hessian's diagonal multiplies
// the Hessian by (arXiv 2006.00719). Of all tensors laid end to end, element i is negative where bit i mod 32 of number i
// / 32 is set, in the stream `offset` of the seed.
#pragma once

#include <cstdint>

#include "core/random.h"

namespace optim {

// The bit of the element at a position, lowest, and after it those of the next elements up to the end of the number.
OPTIM_FN std::uint32_t probe_bits(std::uint64_t seed, std::uint64_t offset, std::uint64_t position) {
  return random_bits(seed, position / 32, offset) >> (position % 32);
}

}  // namespace optim
