// The kernel in front of a rule: moments of the gradients and parameters in one read, and what helpers/pipeline.h makes
// of them. Passes turn the result into one affine map per row (engine/cuda/context.cuh).
#pragma once

#include "engine/cuda/cascade.cuh"
#include "engine/cuda/context.cuh"
#include "helpers/pipeline.h"

namespace optim::cuda {

struct StageArguments {
  StepTables step;
  TilingView tiling;  // units are rows where the maps differ from row to row, else tensors
  CascadeView cascade;
  Moments* units;
  Moments* values;  // of the cascade
  Moments* mapped;  // of the cascade, of the gradients as the maps of their rows leave them
  float* overflow;  // null: nobody asks
  std::int32_t adanorm_slot;
  std::uint32_t inputs;  // slots that are to be finite as gradients are, one bit each
  bool with_params;
  bool skips;         // a gradient that is not finite skips the step
  bool maps_tensors;  // helpers need moments of the mapped gradients
  bool maps_at_once;  // of a row as soon as its moments are known: there is no factor of all gradients to wait for
};

// A thread's elements, and which of the gradients were not finite before clipping or of the inputs are not, one bit each.
template <class T>
struct Elements {
  T p[chunk], g[chunk];
  unsigned nonfinite;

  __device__ __forceinline__ void clip(const GradientMap<T>& map) {
    nonfinite = 0;
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      check(map.unscale * g[j], j);
      g[j] = map.clipped(g[j]);
    }
  }

  __device__ __forceinline__ void check_input(const Stream& stream, const Position& at) {
    Raw<T> raw;
    load(raw, stream, at.first, at.count);
    T value[chunk];
    widen(raw, stream.dtype, value);
#pragma unroll
    for (int j = 0; j < chunk; ++j) check(value[j], j);
  }

 private:
  __device__ __forceinline__ void check(T value, int j) {
    nonfinite |= (value - value == 0 ? 0u : 1u) << j;  // infinity minus itself is NaN
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

// A tile that lies in one unit; the result is thread 0's.
template <class T>
__device__ __forceinline__ Moments measure_single(const Elements<T>& elements, const Position& at, const Tile& tile) {
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
  moments.m2 = merge_block(squares).value[0];
  return moments;
}

// A tile of several units: each thread measures the runs of its chunk.
template <class T>
__device__ __forceinline__ void measure_runs(const Elements<T>& elements, const Position& at,
                                             const UnitRuns<Moments>& runs, Moments* heads, Moments* tails) {
  const int begin = chunk_begin();
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

struct MomentMerging {
  const StageArguments& arguments;

  __device__ Moments* nodes() const { return arguments.values + arguments.tiling.tile_count; }
  __device__ Moments* mapped_nodes() const { return arguments.mapped + arguments.tiling.tile_count; }
  __device__ Moments& unit(std::int32_t tensor, std::int64_t unit) const {
    return arguments.units[arguments.tiling.tensors[tensor].first_unit + unit];
  }

  // Of one unit, as its map leaves it.
  __device__ Moments mapped(std::int32_t index, const Moments& moments, const GlobalFacts& facts) const {
    const TensorEntry& tensor = arguments.step.tensors[index];
    const GroupOptions& options = arguments.step.groups[tensor.group].options;
    return mapped_moments(moments, row_stage(moments, tensor.extent, facts, options));
  }
  __device__ Moments mapped_at_once(std::int32_t tensor, const Moments& moments) const {
    GlobalFacts facts{};
    facts.clip = 1;
    return mapped(tensor, moments, facts);
  }
  __device__ void store_map(std::int32_t index, const Moments& mapped) const {
    const TensorEntry& tensor = arguments.step.tensors[index];
    const HelperSettings& helpers = arguments.step.groups[tensor.group].options.helpers;
    arguments.step.maps[index] = tensor_stage(mapped, tensor.extent, helpers);
  }

  __device__ void merge(const Node& node, std::int32_t index) const {
    const Moments moments = merge_children(arguments.values, node);
    if (threadIdx.x == 0) {
      if (node.unit >= 0) unit(node.tensor, node.unit) = moments;
      nodes()[index] = moments;
    }
    if (!arguments.maps_at_once) return;
    Moments mapped{};
    if (node.unit < 0) {
      mapped = merge_children(arguments.mapped, node);
    } else if (threadIdx.x == 0) {
      mapped = mapped_at_once(node.tensor, moments);
    }
    if (threadIdx.x != 0) return;
    mapped_nodes()[index] = mapped;
    if (node.parent < 0) store_map(node.tensor, mapped);
  }

  // A tile of whole units whose moments are in the array of units.
  __device__ __forceinline__ void close_tile(std::int64_t i, const Tile& tile, std::int64_t units) const {
    Moments total{}, mapped{};
#pragma unroll 1
    for (std::int64_t u = threadIdx.x; u < units; u += block_threads) {
      const Moments& moments = unit(tile.tensor, tile.unit + u);
      total.merge(moments);
      if (arguments.maps_at_once) mapped.merge(mapped_at_once(tile.tensor, moments));
    }
    if (units > 1) total = merge_block(total);
    if (threadIdx.x == 0) arguments.values[i] = total;
    if (!arguments.maps_at_once) return;
    if (units > 1) mapped = merge_block(mapped);
    if (threadIdx.x == 0) arguments.mapped[i] = mapped;
  }

  // Of a tensor without a gradient.
  __device__ __forceinline__ void leave_out(std::int32_t tensor) const {
    if (threadIdx.x != 0) return;
    nodes()[tensor] = Moments{};
    if (arguments.maps_tensors) arguments.step.maps[tensor] = TensorMap::identity();
  }

  __device__ void merge_all() const {
    const StepTables& step = arguments.step;
    const int thread = static_cast<int>(threadIdx.x);
    const Moments all =
        merge_block(merge_strided(nodes(), std::int64_t{thread}, step.tensor_count, std::int64_t{block_threads}));
    OPTIM_SHARED(skips, bool);
    if (thread == 0) skips = decide(all);
    __syncthreads();
    if (skips || !arguments.maps_tensors) return;
    if (!arguments.maps_at_once) map_all_units();
    finish_tensors();
  }

 private:
  // Facts of the unscaled gradients, and whether they are fit for a step. By one thread.
  __device__ bool decide(const Moments& all) const {
    const StepTables& step = arguments.step;
    GlobalFacts facts{};
    begin_global(facts, all, step.settings);
    step.state->facts = facts;
    const bool infinite = facts.nonfinite > 0;
    if (infinite && arguments.overflow != nullptr) *arguments.overflow = 1;
    step.state->skip = infinite && arguments.skips ? 1 : 0;
    return step.state->skip != 0;
  }

  // After clipping by the global norm: the rows of all tensors once more, by this block alone.
  __device__ void map_all_units() const {
    const StepTables& step = arguments.step;
    for (std::int32_t i = 0; i < step.tensor_count; ++i) {
      if (arguments.tiling.tensors[i].units == 0 || !takes_part(step, step.tensors[i])) continue;
      Moments sum{};
#pragma unroll 1
      for (std::int64_t u = threadIdx.x; u < arguments.tiling.tensors[i].units; u += block_threads)
        sum.merge(mapped(i, unit(i, u), step.state->facts));
      sum = merge_block(sum);
      if (threadIdx.x == 0) store_map(i, sum);
    }
    __syncthreads();
  }

  // The totals of the mapped gradients, and AdaNorm's averages.
  __device__ void finish_tensors() const {
    const StepTables& step = arguments.step;
    const int thread = static_cast<int>(threadIdx.x);
    Sums<1> total{};
    for (int i = thread; i < step.tensor_count; i += block_threads) total.value[0] += step.maps[i].sum_sq;
    total = merge_block(total);
    if (thread == 0) step.state->facts.mapped_sum_sq = total.value[0];
    __syncthreads();
#pragma unroll 1
    for (int i = thread; i < step.tensor_count; i += block_threads) {
      const TensorEntry& tensor = step.tensors[i];
      const GroupOptions& options = step.groups[tensor.group].options;
      if (!options.adanorm || !takes_part(step, tensor)) continue;
      const Stream& stream = tensor.unit[arguments.adanorm_slot];
      double average = load_number(stream, 0);
      adanorm_stage(step.maps[i], average, step.state->facts, options);
      store_number(stream, 0, average);
    }
  }
};

template <class T>
__global__ void __launch_bounds__(block_threads, sizeof(T) == sizeof(double) ? 1 : 2)
    measure(StageArguments arguments) {
  const StepTables& step = arguments.step;
  if (step.found_inf != nullptr && *step.found_inf != 0) return;
  OPTIM_DYNAMIC_SHARED(heads, Moments);  // 2 * block_threads of them, where the tiling has tiles of several units
  GradientMap<T> map{};
  map.unscale = T(unscale_of(step.grad_scale));
  map.clip = clip_of<T>(step.settings);
  const StageArguments& kept = keep(arguments);
  const MomentMerging merging{arguments};
  Cascade<MomentMerging, StageArguments> cascade(kept, true);
  for (TileRange range(arguments.tiling.tile_count, false); !range.done(); range.advance()) {
    const std::int64_t i = range.tile();
    const Tile tile = arguments.tiling.tiles[i];
    const TiledTensor& tiled = arguments.tiling.tensors[tile.tensor];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    if (!takes_part(step, tensor)) {
      cascade.leave_out(tile);
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
    for (unsigned slots = arguments.inputs, slot = 0; slots != 0; slots >>= 1, ++slot) {
      if ((slots & 1u) != 0) elements.check_input(tensor.element[slot], at);
    }
    Moments* const first_unit = &merging.unit(tile.tensor, tile.unit);
    const bool single = tiled.unit_length >= tile.count;
    if (single) {
      const Moments moments = measure_single(elements, at, tile);
      if (threadIdx.x == 0) *(tiled.partials_per_unit > 1 ? arguments.values + i : first_unit) = moments;
    } else {
      measure_runs(elements, at, UnitRuns<Moments>(tile, tiled.unit_length, first_unit), heads, heads + block_threads);
    }
    if (tiled.partials_per_unit == 1) merging.close_tile(i, tile, single ? 1 : tile.count / tiled.unit_length);
    cascade.add(i);
  }
  cascade.finish();
}

}  // namespace optim::cuda
