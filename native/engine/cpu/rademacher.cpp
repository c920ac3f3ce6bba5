#include "helpers/rademacher.h"

#include "core/tiling.h"
#include "engine/cpu/streams.h"
#include "engine/cpu/tensor_lists.h"

namespace optim::cpu {
namespace {

// A number of the other sign differs in the highest bit.
template <class Stored>
void fill(const TensorBuffer& tensor, const Tile& tile, Stored one, std::uint64_t seed, std::uint64_t offset,
          std::uint64_t position) {
  Stored* const out = static_cast<Stored*>(tensor.data) + tile.begin;
  const Stored minus_one = static_cast<Stored>(one | Stored{1} << (8 * sizeof(Stored) - 1));
  std::uint32_t bits = 0;
  for (std::int32_t i = 0; i < tile.count; ++i, ++position, bits >>= 1) {
    if (i == 0 || position % 32 == 0) bits = probe_bits(seed, offset, position);
    out[i] = (bits & 1u) != 0 ? minus_one : one;
  }
}

}  // namespace

void fill_rademacher(const std::vector<TensorBuffer>& tensors, std::uint64_t seed, std::uint64_t offset, int threads) {
  Tiling tiling(tile_length);
  std::vector<std::int64_t> first;
  for (const TensorBuffer& tensor : tensors) {
    first.push_back(tiling.elements);
    tiling.add({1, tensor.count, 1, tensor.count}, false, true);
  }
  const auto tiles = static_cast<std::int64_t>(tiling.tiles.size());
#pragma omp parallel for schedule(static) num_threads(threads) if (tiles > 1)
  for (std::int64_t i = 0; i < tiles; ++i) {
    const Tile& tile = tiling.tiles[i];
    const TensorBuffer& tensor = tensors[tile.tensor];
    const auto position = static_cast<std::uint64_t>(first[tile.tensor] + tile.begin);
    switch (tensor.dtype) {
      case DType::f32:
        fill<std::uint32_t>(tensor, tile, 0x3f800000u, seed, offset, position);
        break;
      case DType::f64:
        fill<std::uint64_t>(tensor, tile, 0x3ff0000000000000u, seed, offset, position);
        break;
      case DType::f16:
        fill<std::uint16_t>(tensor, tile, 0x3c00u, seed, offset, position);
        break;
      case DType::bf16:
        fill<std::uint16_t>(tensor, tile, 0x3f80u, seed, offset, position);
        break;
    }
  }
}

}  // namespace optim::cpu
