// Stochastic rounding of a thread's chunk.
#pragma once

#include "core/stochastic_rounding.h"
#include "engine/cuda/elements.cuh"

namespace optim::cuda {

// Stores values as the elements [first, first + count) of a bf16 tensor. A chunk is as long as the elements of a block
// of draws, so that one block is enough where the chunk begins with one, and two are elsewhere.
__device__ __forceinline__ void store_rounded(const float (&value)[chunk], const Stream& stream, std::int64_t first,
                                              int count, const RoundingDraws& draws) {
  static_assert(chunk == RoundingDraws::per_block);
  if (count <= 0) return;
  const auto block = static_cast<std::uint64_t>(first / chunk);
  const int skipped = static_cast<int>(first % chunk);
  const RandomBlock own = draws.block(block);
  const RandomBlock next = skipped != 0 ? draws.block(block + 1) : RandomBlock{};
  std::uint32_t word[chunk];  // the draws of both blocks; those skipped are shifted out, 64, 32 and 16 bits
#pragma unroll
  for (int i = 0; i < chunk; ++i) word[i] = i < chunk / 2 ? own.word[i % 4] : next.word[i % 4];
#pragma unroll
  for (int i = 0; i + 2 < chunk; ++i) word[i] = (skipped & 4) != 0 ? word[i + 2] : word[i];
#pragma unroll
  for (int i = 0; i + 3 < chunk; ++i) word[i] = (skipped & 2) != 0 ? word[i + 1] : word[i];
#pragma unroll
  for (int i = 0; i + 4 < chunk; ++i) word[i] = (skipped & 1) != 0 ? word[i] >> 16 | word[i + 1] << 16 : word[i];
  Raw<float> raw;
#pragma unroll
  for (int i = 0; i < chunk / 2; ++i) {
    const std::uint32_t low = round_bf16(value[2 * i], word[i] & 0xffffu);
    const std::uint32_t high = round_bf16(value[2 * i + 1], word[i] >> 16);
    raw.word[i] = low | high << 16;
    raw.word[chunk / 2 + i] = 0;
  }
  store(raw, stream, first, count);
}

}  // namespace optim::cuda
