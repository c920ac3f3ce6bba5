// Merging in a fixed order, whatever the grid: thread by thread within a warp, warp by warp within a block. A merged
// value V is a plain struct of doubles with merge().
#pragma once

#include <cuda_runtime.h>

#include "core/rule.h"
#include "engine/cuda/elements.cuh"
#include "engine/cuda/launch.h"
#include "engine/cuda/tables.h"

namespace optim::cuda {

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
#pragma unroll 1
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
#pragma unroll 1
  for (std::int64_t i = first; i < count; i += stride) value.merge(items[i]);
  return value;
}

// Splits a tile of several whole units among the threads' chunks: each thread hands over the runs of elements that
// belong to one unit, and combine() merges the runs of units that more than one thread has a part of.
template <class V>
class UnitRuns {
 public:
  // tile and output as for the tile: output[u] is for its u-th unit.
  __device__ UnitRuns(const Tile& tile, std::int64_t unit_length, V* output)
      : length_(static_cast<int>(unit_length)), units_(tile.count / length_), output_(output) {}

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
#pragma unroll 1
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
