#include "helpers/rademacher.h"

#include <algorithm>

#include "core/tiling.h"
#include "engine/cpu/streams.h"
#include "engine/cpu/team.h"
#include "engine/cpu/tensor_lists.h"

namespace optim::cpu {
namespace {

// A number of the other sign differs in the highest bit.
template <class Stored>
void fill(const TensorBuffer& tensor, const Tile& tile, Stored one, std::uint64_t seed, std::uint64_t offset,
          std::uint64_t position) {
  Stored* const out = static_cast<Stored*>(tensor.data) + tile.begin;
  constexpr int sign = 8 * static_cast<int>(sizeof(Stored)) - 1;
  for (int begin = 0; begin < tile.count;) {
    const std::uint64_t at = position + static_cast<std::uint64_t>(begin);
    const std::uint32_t bits = probe_bits(seed, offset, at);
    const int count = std::min(32 - static_cast<int>(at % 32), tile.count - begin);
    for (int i = 0; i < count; ++i) {
      out[begin + i] = static_cast<Stored>(one | static_cast<Stored>(static_cast<Stored>(bits >> i & 1u) << sign));
    }
    begin += count;
  }
}

}  // namespace

void fill_rademacher(const std::vector<TensorBuffer>& tensors, std::uint64_t seed, std::uint64_t offset, int threads) {
  Tiling tiling(tile_in_place);
  std::vector<std::int64_t> first;
  for (const TensorBuffer& tensor : tensors) {
    first.push_back(tiling.elements);
    tiling.add({1, tensor.count, 1, tensor.count}, false, true);
  }
  const auto tiles = static_cast<std::int64_t>(tiling.tiles.size());
  Team::of_process().for_each(tiles > 1 ? threads : 1, tiles, [&](std::int64_t i) {
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
  });
}

}  // namespace optim::cpu
