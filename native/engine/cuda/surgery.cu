#include "engine/cuda/surgery.h"

#include <algorithm>

#include "engine/cuda/launch.h"
#include "engine/cuda/pass.cuh"
#include "helpers/pcgrad.h"

namespace optim::cuda {
namespace {

// Runs of tiles whose products one block adds up. Their number is fixed, so that sums do not depend on the device.
constexpr std::int64_t most_runs = 1024;
constexpr int slab_bytes = 32768;  // of shared memory, for the same elements of all gradients

struct MergeArguments {
  TilingView tiling;
  const Stream* grads;   // [task][tensor]
  const Stream* merged;  // [tensor]
  const std::int32_t* order;
  double* partials;  // [run][pair]
  double* gram;      // [pair]
  double* weights;   // [task]
  std::int64_t runs;
  std::int32_t tasks;
  std::int32_t tensors;
  std::int32_t slab;  // elements, a power of 2
  bool mean;
};

// A power of 2, at most a tile.
int slab_length(int tasks, std::size_t element) {
  int length = static_cast<int>(tile_length);
  while (static_cast<std::size_t>(length * tasks) * element > slab_bytes) length /= 2;
  return length;
}

template <class T>
__device__ __forceinline__ T element_of(const Stream& stream, std::int64_t index) {
  if (stream.data == nullptr) return 0;
  if (sizeof(T) == sizeof(double)) return static_cast<const T*>(stream.data)[index];
  if (stream.dtype == DType::f32) return static_cast<T>(static_cast<const float*>(stream.data)[index]);
  const std::uint16_t stored = static_cast<const std::uint16_t*>(stream.data)[index];
  return static_cast<T>(stream.dtype == DType::bf16 ? widen_bf16(stored) : widen_f16(stored));
}

// Elements of all gradients in shared memory; rows of different tasks begin in different banks.
template <class T>
__device__ __forceinline__ void load_slab(const MergeArguments& arguments, const Tile& tile, int offset, int count,
                                          T* rows) {
  const int across = arguments.slab < block_threads ? arguments.slab : block_threads;
  const int thread = static_cast<int>(threadIdx.x);
  for (int task = thread / across; task < arguments.tasks; task += block_threads / across) {
    const Stream stream = arguments.grads[static_cast<std::int64_t>(task) * arguments.tensors + tile.tensor];
    for (int e = thread % across; e < count; e += across) {
      rows[task * (arguments.slab + 1) + e] = element_of<T>(stream, tile.begin + offset + e);
    }
  }
}

// A thread has one pair of tasks, or every 256th; where there are fewer pairs than threads, several share the elements.
template <class T>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) multiply(MergeArguments arguments) {
  constexpr int most_pairs = (pair_count(max_tasks) + block_threads - 1) / block_threads;
  OPTIM_DYNAMIC_SHARED(rows, T);
  OPTIM_SHARED(shares, double[block_threads]);
  const int thread = static_cast<int>(threadIdx.x);
  const int pairs = pair_count(arguments.tasks);
  const int width = pairs < block_threads ? pairs : block_threads;
  const int sharers = block_threads / width;
  const int share = thread / width;
  int left[most_pairs], right[most_pairs];  // where the rows of the pairs begin
#pragma unroll
  for (int k = 0; k < most_pairs; ++k) {
    const int pair = thread % width + k * block_threads;
    const TaskPair tasks = pair < pairs ? pair_at(pair) : TaskPair{0, 0};
    left[k] = tasks.a * (arguments.slab + 1);
    right[k] = tasks.b * (arguments.slab + 1);
  }
  for (std::int64_t run = blockIdx.x; run < arguments.runs; run += gridDim.x) {
    double sum[most_pairs] = {};
    const std::int64_t tiles = arguments.tiling.tile_count;
    for (std::int64_t i = run * tiles / arguments.runs; i < (run + 1) * tiles / arguments.runs; ++i) {
      const Tile tile = arguments.tiling.tiles[i];
      for (int offset = 0; offset < tile.count; offset += arguments.slab) {
        const int count = min(arguments.slab, tile.count - offset);
        __syncthreads();
        load_slab(arguments, tile, offset, count, rows);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < most_pairs; ++k) {
          if (share >= sharers || thread % width + k * block_threads >= pairs) continue;
          for (int e = share; e < count; e += sharers) {
            sum[k] += static_cast<double>(rows[left[k] + e]) * static_cast<double>(rows[right[k] + e]);
          }
        }
      }
    }
#pragma unroll
    for (int k = 0; k < most_pairs; ++k) {
      if (k * block_threads >= pairs) continue;
      __syncthreads();
      shares[thread] = sum[k];
      __syncthreads();
      const int pair = thread + k * block_threads;
      if (thread >= width || pair >= pairs) continue;
      double total = 0;
      for (int other = 0; other < sharers; ++other) total += shares[other * width + thread];
      arguments.partials[run * pairs + pair] = total;
    }
  }
}

// One warp for each pair.
__global__ void __launch_bounds__(block_threads) sum_products(MergeArguments arguments) {
  const int pairs = pair_count(arguments.tasks);
  const int pair = static_cast<int>((blockIdx.x * blockDim.x + threadIdx.x) / warp_threads);
  const int lane = static_cast<int>(threadIdx.x) % warp_threads;
  if (pair >= pairs) return;
  Sums<1> sum{};
  for (std::int64_t run = lane; run < arguments.runs; run += warp_threads) {
    sum.value[0] += arguments.partials[run * pairs + pair];
  }
  sum = merge_warp(sum);
  if (lane == 0) arguments.gram[pair] = sum.value[0];
}

// One block, a thread for each task.
__global__ void __launch_bounds__(block_threads) weigh(MergeArguments arguments) {
  OPTIM_DYNAMIC_SHARED(coefficients, double);
  const int tasks = arguments.tasks;
  const int task = static_cast<int>(threadIdx.x);
  if (task < tasks) {
    project(arguments.gram, tasks, task, arguments.order + task * (tasks - 1), coefficients + task * tasks);
  }
  __syncthreads();
  if (task < tasks) arguments.weights[task] = merged_weight(coefficients, tasks, task);
}

template <class T>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) combine(MergeArguments arguments) {
  OPTIM_SHARED(weights, T[max_tasks]);
  const int tasks = arguments.tasks;
  for (int a = static_cast<int>(threadIdx.x); a < tasks; a += block_threads) weights[a] = T(arguments.weights[a]);
  __syncthreads();
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.tile_count; i += gridDim.x) {
    const Tile tile = arguments.tiling.tiles[i];
    const Position at(tile);
    T total[chunk] = {};
    int present = 0;
    for (int a = 0; a < tasks; ++a) {
      const Stream grad = arguments.grads[static_cast<std::int64_t>(a) * arguments.tensors + tile.tensor];
      if (grad.data == nullptr) continue;
      ++present;
      Raw<T> raw;
      T g[chunk];
      load(raw, grad, at.first, at.count);
      widen(raw, grad.dtype, g);
#pragma unroll
      for (int j = 0; j < chunk; ++j) total[j] = total[j] + weights[a] * g[j];
    }
    if (arguments.mean && present == tasks) {
#pragma unroll
      for (int j = 0; j < chunk; ++j) total[j] /= T(tasks);
    }
    store_values(total, arguments.merged[tile.tensor], at.first, at.count);
  }
}

template <class T>
void start(const MergeArguments& arguments, const Device& device) {
  const int pairs = pair_count(arguments.tasks);
  const dim3 block(block_threads);
  const std::size_t rows = static_cast<std::size_t>(arguments.tasks * (arguments.slab + 1)) * sizeof(T);
  const std::size_t coefficients = static_cast<std::size_t>(arguments.tasks * arguments.tasks) * sizeof(double);
  check(launch(device.stream, &multiply<T>, dim3(device.blocks(arguments.runs)), block, rows, arguments), "multiply");
  check(launch(device.stream, &sum_products, dim3((pairs + block_warps - 1) / block_warps), block, 0, arguments),
        "sum_products");
  check(launch(device.stream, &weigh, dim3(1), block, coefficients, arguments), "weigh");
  check(launch(device.stream, &combine<T>, dim3(device.blocks(arguments.tiling.tile_count)), block, 0, arguments),
        "combine");
}

}  // namespace

void Surgery::bind(const GradientSurgery& surgery, const Device& device) {
  std::vector<std::int64_t> counts;
  std::vector<Stream> streams;
  for (const TensorBuffer& grad : surgery.grads) streams.push_back({grad.data, grad.dtype});
  for (const TensorBuffer& merged : surgery.merged) {
    counts.push_back(merged.count);
    streams.push_back({merged.data, merged.dtype});
  }
  table_.bind(counts, streams, device);
  const std::int64_t pairs = pair_count(surgery.tasks);
  if (weights_.count() != surgery.tasks) {
    DeviceArray<double> gram(pairs), weights(surgery.tasks);
    auto order = std::make_unique<StagedArray<std::int32_t>>(static_cast<std::int64_t>(surgery.order.size()));
    gram_ = std::move(gram);
    weights_ = std::move(weights);
    device_order_ = std::move(order);
    order_.clear();
  }
  const std::int64_t partials = std::min(table_.tiling().tile_count, most_runs) * pairs;
  if (partials_.count() < partials) partials_ = DeviceArray<double>(partials);
  if (order_ != surgery.order) {
    order_.clear();  // until the upload is queued
    device_order_->upload(surgery.order, device.stream);
    order_ = surgery.order;
  }
}

void Surgery::merge(const GradientSurgery& surgery, const Device& device) {
  bind(surgery, device);
  MergeArguments a{};
  a.tiling = table_.tiling();
  if (a.tiling.tile_count == 0) return;
  a.grads = table_.streams();
  a.merged = table_.streams() + surgery.grads.size();
  a.order = device_order_->device();
  a.partials = partials_.data();
  a.gram = gram_.data();
  a.weights = weights_.data();
  a.runs = std::min(a.tiling.tile_count, most_runs);
  a.tasks = surgery.tasks;
  a.tensors = static_cast<std::int32_t>(surgery.merged.size());
  a.slab = slab_length(surgery.tasks, surgery.in_double ? sizeof(double) : sizeof(float));
  a.mean = surgery.mean;
  if (surgery.in_double) {
    start<double>(a, device);
  } else {
    start<float>(a, device);
  }
}

}  // namespace optim::cuda
