// Random bits as a function of a seed and a counter: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). No state, so every engine, thread count and order of evaluation draws the same bits.
#pragma once

#include <cstdint>

#include "core/config.h"

namespace optim {

struct RandomBlock {
  std::uint32_t word[4];
};

// 128 random bits. Blocks of different (seed, stream, counter) are independent for all purposes of statistics.
OPTIM_FN RandomBlock random_block(std::uint64_t seed, std::uint64_t counter, std::uint64_t stream = 0) {
  constexpr std::uint64_t multiplier0 = 0xD2511F53u, multiplier1 = 0xCD9E8D57u;
  constexpr std::uint32_t weyl0 = 0x9E3779B9u, weyl1 = 0xBB67AE85u;
  std::uint32_t key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
  std::uint32_t a = static_cast<std::uint32_t>(counter), b = static_cast<std::uint32_t>(counter >> 32);
  std::uint32_t c = static_cast<std::uint32_t>(stream), d = static_cast<std::uint32_t>(stream >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = multiplier0 * a, product1 = multiplier1 * c;
    a = static_cast<std::uint32_t>(product1 >> 32) ^ b ^ key0;
    b = static_cast<std::uint32_t>(product1);
    c = static_cast<std::uint32_t>(product0 >> 32) ^ d ^ key1;
    d = static_cast<std::uint32_t>(product0);
    key0 += weyl0;
    key1 += weyl1;
  }
  return {{a, b, c, d}};
}

// Number `counter` of a sequence of 32 random bits each: four consecutive ones share a block.
OPTIM_FN std::uint32_t random_bits(std::uint64_t seed, std::uint64_t counter, std::uint64_t stream = 0) {
  const RandomBlock block = random_block(seed, counter / 4, stream);
  const std::uint32_t low = (counter & 1) != 0 ? block.word[1] : block.word[0];
  const std::uint32_t high = (counter & 1) != 0 ? block.word[3] : block.word[2];
  return (counter & 2) != 0 ? high : low;
}

}  // namespace optim
