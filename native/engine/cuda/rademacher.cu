#include "engine/cuda/rademacher.h"

#include "engine/cuda/launch.h"
#include "engine/cuda/pass.cuh"
#include "helpers/rademacher.h"

namespace optim::cuda {
namespace {

struct ProbeArguments {
  TilingView tiling;
  const Stream* tensors;
  const std::int64_t* first_elements;
  std::uint64_t seed, offset;
};

template <class T>
__device__ void fill_chunk(const ProbeArguments& arguments, const Stream& tensor, const Position& at,
                           std::uint64_t position) {
  std::uint32_t bits = probe_bits(arguments.seed, arguments.offset, position);
  const std::uint64_t left = 32 - position % 32;
  if (left < chunk) bits |= probe_bits(arguments.seed, arguments.offset, position + left) << left;
  T value[chunk];
#pragma unroll
  for (int j = 0; j < chunk; ++j) value[j] = (bits >> j & 1u) != 0 ? T(-1) : T(1);
  store_values(value, tensor, at.first, at.count);
}

__global__ void __launch_bounds__(block_threads) fill_probes(ProbeArguments arguments) {
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.tile_count; i += gridDim.x) {
    const Tile tile = arguments.tiling.tiles[i];
    const Stream tensor = arguments.tensors[tile.tensor];
    const Position at(tile);
    const auto position = static_cast<std::uint64_t>(arguments.first_elements[tile.tensor] + at.first);
    if (tensor.dtype == DType::f64) {
      fill_chunk<double>(arguments, tensor, at, position);
    } else {
      fill_chunk<float>(arguments, tensor, at, position);
    }
  }
}

}  // namespace

void Rademacher::fill(const std::vector<TensorBuffer>& tensors, std::uint64_t seed, std::uint64_t offset,
                      const Device& device) {
  std::vector<std::int64_t> counts;
  std::vector<Stream> streams;
  for (const TensorBuffer& tensor : tensors) {
    counts.push_back(tensor.count);
    streams.push_back({tensor.data, tensor.dtype});
  }
  table_.bind(counts, streams, device);
  const ProbeArguments arguments{table_.tiling(), table_.streams(), table_.first_elements(), seed, offset};
  if (arguments.tiling.tile_count == 0) return;
  check(launch(device.stream, &fill_probes, dim3(device.blocks(arguments.tiling.tile_count)), dim3(block_threads), 0,
               arguments),
        "fill_probes");
}

}  // namespace optim::cuda
