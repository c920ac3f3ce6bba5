// The kernels in front of a rule: moments of the gradients and parameters in one read, and the small stages of
// helpers/pipeline.h that make one affine map per row of them.
#pragma once

#include "engine/cuda/pass.cuh"
#include "helpers/pipeline.h"

namespace optim::cuda {

struct StageArguments {
  StepTables step;
  TilingView tiling;  // units are rows where the maps differ from row to row, else tensors
  Moments* partials;
  Moments* units;
  Moments* spans;  // of the gradients, then of the mapped gradients
  const double* probes;
  std::int64_t probe_count;
  double element_count;  // with a gradient
  std::int32_t adanorm_slot;
  bool with_params;
};

// A thread's elements, and which of the gradients were not finite before clipping, one bit each.
template <class T>
struct Elements {
  T p[chunk], g[chunk];
  unsigned nonfinite;

  __device__ __forceinline__ void clip(const GradientMap<T>& map) {
    nonfinite = 0;
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      const T raw = map.unscale * g[j];
      nonfinite |= (raw - raw == 0 ? 0u : 1u) << j;  // infinity minus itself is NaN
      g[j] = map.clipped(g[j]);
    }
  }
};

// What one look at the elements gives. The sum is of differences from a shift, one of the elements, so that a constant
// row has exactly that mean.
struct Look {
  double sum, abs_sum, abs_max, nonfinite, param_sum, param_sq, cross;

  template <class T>
  __device__ __forceinline__ void add(const Elements<T>& elements, int j, double shift) {
    const double g = static_cast<double>(elements.g[j]), p = static_cast<double>(elements.p[j]);
    const double magnitude = std::fabs(g);
    sum += g - shift;
    abs_sum += magnitude;
    abs_max = magnitude > abs_max ? magnitude : abs_max;
    nonfinite += elements.nonfinite >> j & 1u;
    param_sum += p;
    param_sq += p * p;
    cross += g * p;
  }

  __device__ __forceinline__ void merge(const Look& b) {
    sum += b.sum;
    abs_sum += b.abs_sum;
    abs_max = b.abs_max > abs_max ? b.abs_max : abs_max;
    nonfinite += b.nonfinite;
    param_sum += b.param_sum;
    param_sq += b.param_sq;
    cross += b.cross;
  }

  // The second look fills in m2.
  __device__ __forceinline__ Moments moments(double count, double shift) const {
    return {count, shift + sum / count, 0, abs_sum, abs_max, nonfinite, param_sum, param_sq, cross};
  }
};

template <class T>
__device__ __forceinline__ double centred_square(T g, double mean) {
  const double d = static_cast<double>(g) - mean;
  return d * d;
}

// A tile that lies in one unit.
template <class T>
__device__ __forceinline__ void measure_single(const Elements<T>& elements, const Position& at, const Tile& tile,
                                               Moments* partials) {
  OPTIM_SHARED(shift, double);
  OPTIM_SHARED(mean, double);
  if (threadIdx.x == 0) shift = static_cast<double>(elements.g[0]);
  __syncthreads();
  Look look{};
#pragma unroll
  for (int j = 0; j < chunk; ++j) {
    if (j < at.count) look.add(elements, j, shift);
  }
  look = merge_block(look);
  Moments moments{};
  if (threadIdx.x == 0) {
    moments = look.moments(tile.count, shift);
    mean = moments.mean;
  }
  __syncthreads();
  Sums<1> squares{};
#pragma unroll
  for (int j = 0; j < chunk; ++j) {
    if (j < at.count) squares.value[0] += centred_square(elements.g[j], mean);
  }
  squares = merge_block(squares);
  if (threadIdx.x == 0) {
    moments.m2 = squares.value[0];
    partials[tile.partial] = moments;
  }
}

// A tile of several units: each thread measures the runs of its chunk.
template <class T>
__device__ __forceinline__ void measure_runs(const Elements<T>& elements, const Position& at,
                                             const UnitRuns<Moments>& runs, Moments* heads, Moments* tails) {
  const int begin = runs.begin();
  for (int run = begin; run < begin + at.count;) {
    const int unit_end = runs.unit_end(run);
    const int end = unit_end < begin + at.count ? unit_end : begin + at.count;
    Look look{};
    double shift = 0;
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (begin + j == run) shift = static_cast<double>(elements.g[j]);
      if (begin + j >= run && begin + j < end) look.add(elements, j, shift);
    }
    Moments moments = look.moments(end - run, shift);
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (begin + j >= run && begin + j < end) moments.m2 += centred_square(elements.g[j], moments.mean);
    }
    runs.hand_over(run, end, moments, heads, tails);
    run = end;
  }
  runs.combine(heads, tails);
}

template <class T>
__global__ void __launch_bounds__(block_threads) measure(StageArguments arguments) {
  const StepTables& step = arguments.step;
  OPTIM_DYNAMIC_SHARED(heads, Moments);  // 2 * block_threads of them, where the tiling has tiles of several units
  GradientMap<T> map{};
  map.unscale = T(unscale_of(step.grad_scale));
  map.clip = clip_of<T>(step.settings);
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.tile_count; i += gridDim.x) {
    const Tile tile = arguments.tiling.tiles[i];
    const TiledTensor& tiled = arguments.tiling.tensors[tile.tensor];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    const bool single = tiled.unit_length >= tile.count;
    if (!takes_part(step, tensor)) {
      const std::int64_t units = single ? 1 : tile.count / tiled.unit_length;
      for (std::int64_t u = threadIdx.x; u < units; u += block_threads)
        arguments.partials[tile.partial + u] = Moments{};
      continue;
    }
    const Position at(tile);
    Raw<T> raw_p, raw_g;
    load(raw_g, tensor.grad, at.first, at.count);
    load(raw_p, tensor.param, at.first, arguments.with_params ? at.count : 0);
    Elements<T> elements;
    widen(raw_p, tensor.param.dtype, elements.p);
    widen(raw_g, tensor.grad.dtype, elements.g);
    elements.clip(map);
    if (single) {
      measure_single(elements, at, tile, arguments.partials);
    } else {
      const UnitRuns<Moments> runs(tile, tiled.unit_length, arguments.partials + tile.partial);
      measure_runs(elements, at, runs, heads, heads + block_threads);
    }
  }
}

// One block for each span, one thread for each unit.
__global__ void __launch_bounds__(block_threads) sum_units(StageArguments arguments) {
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.span_count; i += gridDim.x) {
    const Span span = arguments.tiling.spans[i];
    const TiledTensor& tiled = arguments.tiling.tensors[span.tensor];
    const int thread = static_cast<int>(threadIdx.x);
    Moments moments{};
    if (thread < span.count) {
      moments = unit_value(static_cast<const Moments*>(arguments.partials), tiled, span.unit + thread);
      arguments.units[tiled.first_unit + span.unit + thread] = moments;
    }
    moments = merge_block(moments);
    if (thread == 0) arguments.spans[i] = moments;
  }
}

__global__ void __launch_bounds__(block_threads) map_units(StageArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.span_count; i += gridDim.x) {
    const Span span = arguments.tiling.spans[i];
    const TensorEntry& tensor = step.tensors[span.tensor];
    const int thread = static_cast<int>(threadIdx.x);
    Moments mapped{};
    if (thread < span.count) {
      const std::int64_t unit = arguments.tiling.tensors[span.tensor].first_unit + span.unit + thread;
      const Moments& moments = arguments.units[unit];
      const GroupOptions& options = step.groups[tensor.group].settings.options;
      const RowMap map = row_stage(moments, tensor.extent, step.state->facts, options);
      step.rows[unit] = map;
      mapped = mapped_moments(moments, map);
    }
    mapped = merge_block(mapped);
    if (thread == 0) arguments.spans[i] = mapped;
  }
}

// One warp for each tensor.
__global__ void __launch_bounds__(block_threads) map_tensors(StageArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  const int first = static_cast<int>((blockIdx.x * blockDim.x + threadIdx.x) / warp_threads);
  const int warps = static_cast<int>(gridDim.x) * block_warps;
  for (int i = first; i < step.tensor_count; i += warps) {
    const Moments mapped = tensor_value(static_cast<const Moments*>(arguments.spans), arguments.tiling, i);
    if (threadIdx.x % warp_threads != 0) continue;
    const TensorEntry& tensor = step.tensors[i];
    const HelperSettings& helpers = step.groups[tensor.group].settings.options.helpers;
    step.maps[i] = takes_part(step, tensor) ? tensor_stage(mapped, tensor.extent, helpers) : TensorMap::identity();
  }
}

// One block: the totals of the mapped gradients, and AdaNorm's averages.
__global__ void __launch_bounds__(block_threads) map_all(StageArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  const int thread = static_cast<int>(threadIdx.x);
  Sums<1> total{};
  for (int i = thread; i < step.tensor_count; i += block_threads) total.value[0] += step.maps[i].sum_sq;
  total = merge_block(total);
  if (thread == 0) step.state->facts.mapped_sum_sq = total.value[0];
  __syncthreads();
  for (int i = thread; i < step.tensor_count; i += block_threads) {
    const TensorEntry& tensor = step.tensors[i];
    const GroupOptions& options = step.groups[tensor.group].settings.options;
    if (!options.adanorm || !takes_part(step, tensor)) continue;
    const Stream& stream = tensor.unit[arguments.adanorm_slot];
    double average = load_number(stream, 0);
    adanorm_stage(step.maps[i], average, step.state->facts, options);
    store_number(stream, 0, average);
  }
}

// The factor on the parameter. By one thread, for one unit.
__device__ inline double decay_of(const StageArguments& arguments, std::int64_t unit, const GroupEntry& group) {
  const StepTables& step = arguments.step;
  Moments moments{};
  if (arguments.with_params) moments.param_sq = arguments.units[unit].param_sq;
  return param_stage(moments, step.state->facts, group.settings.options, group.lr);
}

// The scale of each map becomes the product of all stages. measured: there are moments.
__global__ void __launch_bounds__(block_threads) finish_maps(StageArguments arguments, bool measured) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.span_count; i += gridDim.x) {
    const Span span = arguments.tiling.spans[i];
    const int thread = static_cast<int>(threadIdx.x);
    if (thread >= span.count) continue;
    const std::int64_t unit = arguments.tiling.tensors[span.tensor].first_unit + span.unit + thread;
    const GroupEntry& group = step.groups[step.tensors[span.tensor].group];
    const GroupOptions& options = group.settings.options;
    RowMap map = measured ? step.rows[unit] : RowMap::identity();
    const double tensor_scale = measured ? step.maps[span.tensor].scale : 1;
    map.scale = options.sign * map.scale * tensor_scale * global_scale(step.state->facts, options);
    if (options.helpers.stable_weight_decay == 0) map.param_scale = decay_of(arguments, unit, group);
    step.rows[unit] = map;
  }
}

// One block: what stable weight decay divides by.
__global__ void __launch_bounds__(block_threads) total_second_moment(StageArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  Sums<1> total{};
  for (std::int64_t i = threadIdx.x; i < arguments.probe_count; i += block_threads)
    total.value[0] += arguments.probes[i];
  total = merge_block(total);
  if (threadIdx.x != 0) return;
  step.state->facts.second_moment = total.value[0];
  step.state->facts.count = arguments.element_count;
}

// The factors on the parameters, once the second moment is known.
__global__ void __launch_bounds__(block_threads) finish_decay(StageArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.span_count; i += gridDim.x) {
    const Span span = arguments.tiling.spans[i];
    const int thread = static_cast<int>(threadIdx.x);
    if (thread >= span.count) continue;
    const std::int64_t unit = arguments.tiling.tensors[span.tensor].first_unit + span.unit + thread;
    step.rows[unit].param_scale = decay_of(arguments, unit, step.groups[step.tensors[span.tensor].group]);
  }
}

}  // namespace optim::cuda
