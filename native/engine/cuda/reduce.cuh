// Merging in a fixed order, whatever the grid: thread by thread within a warp, warp by warp within a block, then
// partial results of tiles over units, spans and tensors. A merged value V is a plain struct of doubles with merge().
#pragma once

#include <cuda_runtime.h>

#include "core/rule.h"
#include "engine/cuda/launch.h"
#include "engine/cuda/tables.h"

namespace optim::cuda {

constexpr int warp_threads = 32;
constexpr int block_warps = block_threads / warp_threads;
constexpr unsigned all_lanes = 0xffffffffu;

template <int Count>
struct Sums {
  double value[Count];

  __device__ __forceinline__ void merge(const Sums& other) {
#pragma unroll
    for (int k = 0; k < Count; ++k) value[k] += other.value[k];
  }
};

template <class V>
__device__ __forceinline__ V shuffle_down(const V& value, int delta) {
  static_assert(sizeof(V) % sizeof(double) == 0);
#if defined(OPTIM_SIMT)  // carries the whole value at once, in less time
  return __shfl_down_sync(all_lanes, value, static_cast<unsigned>(delta));
#else
  constexpr int count = sizeof(V) / sizeof(double);
  double words[count];
  __builtin_memcpy(words, &value, sizeof words);
#pragma unroll
  for (int i = 0; i < count; ++i) words[i] = __shfl_down_sync(all_lanes, words[i], static_cast<unsigned>(delta));
  V result;
  __builtin_memcpy(&result, words, sizeof result);
  return result;
#endif
}

// The merged value of the whole warp, in lane 0.
template <class V>
__device__ __forceinline__ V merge_warp(V value) {
#pragma unroll
  for (int delta = warp_threads / 2; delta > 0; delta /= 2) {
    const V other = shuffle_down(value, delta);
    const int lane = static_cast<int>(threadIdx.x) % warp_threads;
    if (lane < delta) value.merge(other);
  }
  return value;
}

// The merged value of the whole block, in thread 0. All threads take part.
template <class V>
__device__ __forceinline__ V merge_block(const V& value) {
  OPTIM_SHARED(warps, V[block_warps]);
  const int thread = static_cast<int>(threadIdx.x);
  V merged = merge_warp(value);
  if (thread % warp_threads == 0) warps[thread / warp_threads] = merged;
  __syncthreads();
  if (thread == 0) {
    for (int i = 1; i < block_warps; ++i) merged.merge(warps[i]);
  }
  __syncthreads();
  return merged;
}

// Items first, first + stride, ... of an array, merged in order.
template <class V>
__device__ __forceinline__ V merge_strided(const V* items, std::int64_t first, std::int64_t count,
                                           std::int64_t stride) {
  V value{};
  for (std::int64_t i = first; i < count; i += stride) value.merge(items[i]);
  return value;
}

// First of two steps from the partial results of the tiles to those of units: each warp merges up to fold_width pieces
// of one unit into the first of them.
template <class V>
__global__ void __launch_bounds__(block_threads) fold(const StepState* state, TilingView tiling, V* partials) {
  if (state != nullptr && state->skip != 0) return;
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * block_warps;
  const int lane = static_cast<int>(threadIdx.x) % warp_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_warps + threadIdx.x / warp_threads;
       i < tiling.tile_count; i += warps) {
    const Tile tile = tiling.tiles[i];
    const TiledTensor tensor = tiling.tensors[tile.tensor];
    const std::int64_t piece = (tile.partial - tensor.first_partial) % tensor.partials_per_unit;
    const std::int64_t left = tensor.partials_per_unit - piece;
    if (piece % fold_width != 0 || left == 1) continue;
    const std::int64_t count = left < fold_width ? left : fold_width;
    const V merged = merge_warp(merge_strided(partials + tile.partial, lane, count, std::int64_t{warp_threads}));
    __syncwarp();
    if (lane == 0) partials[tile.partial] = merged;
  }
}

// Second step, by one thread.
template <class V>
__device__ __forceinline__ V unit_value(const V* partials, const TiledTensor& tensor, std::int64_t unit) {
  const V* const first = partials + tensor.first_partial + unit * tensor.partials_per_unit;
  return merge_strided(first, std::int64_t{0}, tensor.partials_per_unit, fold_width);
}

// The value of a tensor from those of its spans, in lane 0 of a warp.
template <class V>
__device__ __forceinline__ V tensor_value(const V* spans, const TilingView& tiling, std::int64_t tensor) {
  const std::int64_t first = tiling.first_span[tensor];
  const int lane = static_cast<int>(threadIdx.x) % warp_threads;
  return merge_warp(
      merge_strided(spans + first, lane, tiling.first_span[tensor + 1] - first, std::int64_t{warp_threads}));
}

// Splits a tile of several whole units among the threads' chunks: each thread hands over the runs of elements that
// belong to one unit, and combine() merges the runs of units that more than one thread has a part of.
template <class V>
class UnitRuns {
 public:
  // tile and output as for the tile: output[u] is for its u-th unit.
  __device__ UnitRuns(const Tile& tile, std::int64_t unit_length, V* output)
      : length_(static_cast<int>(unit_length)), units_(tile.count / length_), output_(output) {}

  __device__ static int begin() { return static_cast<int>(threadIdx.x) * chunk; }

  // The end of the unit that element `at` of the tile is in.
  __device__ int unit_end(int at) const { return (at / length_ + 1) * length_; }

  // Elements [first, end) of the tile, all in one unit and in this thread's chunk.
  __device__ void hand_over(int first, int end, const V& value, V* heads, V* tails) const {
    const int unit = first / length_;
    const bool starts = first == unit * length_;
    const bool ends = end == (unit + 1) * length_;
    if (starts && ends) {
      output_[unit] = value;
    } else if (starts) {
      tails[threadIdx.x] = value;
    } else {
      heads[threadIdx.x] = value;
    }
  }

  // After all threads have handed over.
  __device__ void combine(const V* heads, const V* tails) const {
    __syncthreads();
    const bool by_warp = length_ > 8 * chunk;
    const int lanes = by_warp ? warp_threads : 1;
    const int lane = static_cast<int>(threadIdx.x) % lanes;
    for (int unit = static_cast<int>(threadIdx.x) / lanes; unit < units_; unit += block_threads / lanes) {
      const int first = unit * length_ / chunk;
      const int last = ((unit + 1) * length_ - 1) / chunk;
      if (first == last) continue;  // handed over complete
      V value{};
      for (int i = first + lane; i <= last; i += lanes) value.merge(i == first ? tails[i] : heads[i]);
      if (by_warp) value = merge_warp(value);
      if (lane == 0) output_[unit] = value;
    }
    __syncthreads();
  }

 private:
  int length_;
  int units_;
  V* output_;
};

}  // namespace optim::cuda
