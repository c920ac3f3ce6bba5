// Stochastic rounding to bf16 (Gupta et al., arXiv 1502.02551, section 3): a number between two neighbours becomes the
// upper one with the probability of its distance from the lower one, so that it is kept on average. The draws are a
// function of seed, step, tensor and element, the same for every engine, tiling and thread count.
#pragma once

#include "core/bits.h"
#include "core/random.h"

namespace optim {

// The draws of one tensor in one step, 16 bits for each element; a block has those of `per_block` consecutive elements.
struct RoundingDraws {
  static constexpr int per_block = 8;

  std::uint64_t seed, step, tensor;

  OPTIM_FN RandomBlock block(std::uint64_t index) const {
    constexpr std::uint64_t purpose = std::uint64_t{1} << 63;  // apart from probes of the same seed
    return random_block(seed, (tensor << 40) + index, purpose + step);
  }
};

// draw: 16 random bits. Numbers that bf16 has, infinities and NaN are kept; what is finite stays so.
OPTIM_FN std::uint16_t round_bf16(float value, std::uint32_t draw) {
  constexpr std::uint32_t infinity = 0x7f800000u, quiet = 0x00400000u;
  const std::uint32_t bits = bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const std::uint32_t raised =
      magnitude + draw;  // carries into the upper half with the probability of the lower half / 2^16
  const std::uint32_t finite = raised < infinity ? raised : infinity - 1;
  const std::uint32_t special = magnitude > infinity ? magnitude | quiet : magnitude;
  return static_cast<std::uint16_t>(((bits & 0x80000000u) | (magnitude < infinity ? finite : special)) >> 16);
}

}  // namespace optim
