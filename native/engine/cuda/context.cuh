// What the threads of a tile have in common: the scalars of its tensor, and the affine maps of its gradients.
#pragma once

#include <limits>

#include "core/rule.h"
#include "engine/cuda/elements.cuh"
#include "engine/cuda/launch.h"
#include "engine/cuda/tables.h"
#include "helpers/lookahead.h"

namespace optim::cuda {

__device__ inline bool takes_part(const StepTables& step, const TensorEntry& tensor) {
  return step.initialize ? tensor.extent.count > 0 : tensor.present;
}

__device__ inline bool is_skipped(const StepTables& step) {
  return (step.found_inf != nullptr && *step.found_inf != 0) || (step.measured && step.state->skip != 0);
}

__device__ inline const CohortEntry& cohort_of(const StepTables& step, const TensorEntry& tensor) {
  return step.cohorts[tensor.cohort];
}

// Of the step that is being made.
__device__ inline double step_number(const CohortEntry& cohort) { return static_cast<double>(cohort.counts.steps + 1); }

__device__ inline double unscale_of(const float* grad_scale) {
  return grad_scale != nullptr ? 1 / static_cast<double>(*grad_scale) : 1;
}

template <class T>
__device__ inline T clip_of(const HelperSettings& settings) {
  return T(settings.clip_value > 0 ? settings.clip_value : std::numeric_limits<double>::infinity());
}

template <class Rule>
__device__ inline HypersOf<Rule> hypers_of(const GroupSettings& group) {
  HypersOf<Rule> h{};
#pragma unroll
  for (int i = 0; i < HypersOf<Rule>::count; ++i) h.value[i] = group.hypers[i];
  return h;
}

template <class Rule, class T>
__device__ const ScalarsOf<Rule, T>& scalars_of(const CohortEntry& cohort) {
  return *reinterpret_cast<const ScalarsOf<Rule, T>*>(cohort.scalars[sizeof(T) == sizeof(double)].bytes);
}

// Slots with one value per row or per tensor, in double; the others are 0.
template <class Rule>
__device__ inline void load_unit_slots(const TensorEntry& tensor, std::int64_t row, StateOf<Rule, double>& slots) {
  for (int i = 0; i < SlotsOf<Rule>::count; ++i) {
    const Stream& stream = tensor.unit[i];
    const bool per_row = (tensor.per_row >> i & 1u) != 0;
    slots.value[i] = stream.data == nullptr ? 0 : load_number(stream, per_row ? row : 0);
  }
}

// Stores those with one value per row, or those with one value per tensor.
template <class Rule>
__device__ inline void store_unit_slots(const TensorEntry& tensor, std::int64_t row, bool per_row,
                                        const StateOf<Rule, double>& slots) {
  for (int i = 0; i < SlotsOf<Rule>::count; ++i) {
    const Stream& stream = tensor.unit[i];
    if (stream.data == nullptr || (tensor.per_row >> i & 1u) != (per_row ? 1u : 0u)) continue;
    store_number(stream, per_row ? row : 0, slots.value[i]);
  }
}

// The scalars of a cohort as they are for one of its tensors.
template <class Rule, class T>
__device__ void specialized_scalars(const StepTables& step, std::int32_t index, ScalarsOf<Rule, T>& scalars) {
  const TensorEntry& tensor = step.tensors[index];
  const CohortEntry& cohort = cohort_of(step, tensor);
  scalars = scalars_of<Rule, T>(cohort);
  if constexpr (has_specialize<Rule>) {
    StateOf<Rule, double> slots{};
    load_unit_slots<Rule>(tensor, 0, slots);
    const double adanorm = step.maps != nullptr ? step.maps[index].adanorm : 1;
    const TensorFacts facts{tensor.extent, !cohort.counts.stepped, adanorm, tensor.has_matrices};
    Rule::specialize(scalars, static_cast<const StateOf<Rule, double>&>(slots), facts);
  }
}

// The map of a unit of the helpers' tiling, but for the parameter.
__device__ __attribute__((noinline)) inline RowMap gradient_map_of(const StepTables& step, std::int32_t index,
                                                                   std::int64_t unit) {
  const TensorEntry& tensor = step.tensors[index];
  const GroupOptions& options = step.groups[tensor.group].options;
  RowMap map = RowMap::identity();
  map.scale = options.sign;
  if (step.moments == nullptr) return map;
  const GlobalFacts& facts = step.state->facts;
  map = row_stage(step.moments[step.moment_units[index].first_unit + unit], tensor.extent, facts, options);
  const double tensor_scale = step.maps != nullptr ? step.maps[index].scale : 1;
  map.scale = options.sign * map.scale * tensor_scale * global_scale(facts, options);
  return map;
}

// The factor on the parameters of a unit. decays: with that of stable weight decay, which a pass that only looks what
// the second moment will be does not know.
__device__ __attribute__((noinline)) inline double param_scale_of(const StepTables& step, std::int32_t index,
                                                                  std::int64_t unit, bool decays) {
  const TensorEntry& tensor = step.tensors[index];
  const GroupOptions& options = step.groups[tensor.group].options;
  if (!options.maps_parameters() || (!decays && options.helpers.stable_weight_decay > 0)) return 1;
  Moments moments{};
  if (step.moments != nullptr) moments.param_sq = step.moments[step.moment_units[index].first_unit + unit].param_sq;
  return param_stage(moments, step.state->facts, options, cohort_of(step, tensor).lr);
}

// Maps of units [first, first + count) of a tensor. By all threads of its tile; rank: of this one among them.
__device__ __attribute__((noinline)) inline void store_maps(const StepTables& step, std::int32_t tensor,
                                                            std::int64_t first, int count, bool decays, RowMap* rows,
                                                            int rank) {
#pragma unroll 1
  for (int i = rank; i < count; i += block_threads) {
    rows[i] = gradient_map_of(step, tensor, first + i);
    rows[i].param_scale = param_scale_of(step, tensor, first + i, decays);
  }
}

template <class T>
__device__ __forceinline__ void put_into(GradientMap<T>& map, const RowMap& row) {
  map.scale = T(row.scale);
  map.mean = T(row.mean);
  map.param_scale = T(row.param_scale);
}

// Of a kernel whose warps may have tiles of their own.
constexpr int warp_contexts = 2 + block_warps;

template <class Rule, class T>
struct TileContext {
  ScalarsOf<Rule, T> scalars;
  GradientMap<T> map;  // where helpers make none of their own
  bool looks_ahead;
};

template <class Rule, class T>
__device__ void open_tensor(const StepTables& step, std::int32_t index, TileContext<Rule, T>& context) {
  const TensorEntry& tensor = step.tensors[index];
  const GroupSettings& group = step.groups[tensor.group];
  specialized_scalars<Rule, T>(step, index, context.scalars);
  context.map.unscale = T(step.initialize ? 1 : unscale_of(step.grad_scale));
  context.map.clip = clip_of<T>(step.settings);
  context.map.scale = T(step.initialize ? 1 : group.options.sign);
  context.map.mean = 0;
  context.map.l2 = T(step.initialize ? 0 : group.options.l2);
  context.map.param_scale = 1;
  const int every = group.options.helpers.lookahead_k;
  context.looks_ahead = !step.initialize && lookahead_due(step_number(cohort_of(step, tensor)), every);
}

// This thread's elements of a tile.
struct Position {
  std::int64_t first;  // within the tensor
  int count;           // 0 for a thread without any

  // rank: of this thread among those of the tile.
  __device__ explicit Position(const Tile& tile, int rank = static_cast<int>(threadIdx.x)) {
    const int left = tile.count - rank * chunk;
    first = tile.begin + rank * chunk;
    count = left < 0 ? 0 : left < chunk ? left : chunk;
  }
};

// Works out what a tile needs, unless it is known from the tile before.
template <class Rule, class T>
class Opener {
 public:
  // step: of kept arguments. contexts: two in shared memory, which alternate so that one barrier is enough. rows: as
  // many as a tile may have, where helpers make maps. decays: see param_scale_of.
  __device__ Opener(const StepTables& step, bool decays, TileContext<Rule, T>* contexts, RowMap* rows)
      : step_(step), contexts_(contexts), rows_(rows), decays_(decays) {}

  // All threads, before issuing a tile's loads: what takes many registers.
  __device__ __forceinline__ void open_maps(const Tile& tile) {
    if (!step_.mapped || (!step_.by_row && tile.tensor == tensor_)) return;
    std::int64_t first_row = 0;
    rows_of_tile_ = 1;
    if (step_.by_row) {
      const std::int64_t length = step_.tensors[tile.tensor].extent.row_length;
      first_row = tile.begin / length;
      rows_of_tile_ = static_cast<int>((tile.begin + tile.count - 1) / length - first_row) + 1;
    }
    __syncthreads();  // nobody needs the rows of the tile before
    store_maps(step_, tile.tensor, first_row, rows_of_tile_, decays_, rows_, static_cast<int>(threadIdx.x));
  }

  // Likewise the threads of a warp with a tile of its own, where maps are of tensors.
  __device__ __forceinline__ void open_map_by_warp(const Tile& tile) {
    if (!step_.mapped) return;
    __syncwarp();  // no lane needs the map of the tile before
    const int rank = static_cast<int>(threadIdx.x % warp_threads);
    store_maps(step_, tile.tensor, 0, 1, decays_, rows_ + 1 + threadIdx.x / warp_threads, rank);
  }

  // All threads, between issuing the loads and using them.
  __device__ __forceinline__ const TileContext<Rule, T>& open(const Tile& tile) {
    const bool changes = tile.tensor != tensor_;
    if (changes) {
      tensor_ = tile.tensor;
      current_ = current_ == 0 ? 1 : 0;
      if (threadIdx.x == 0) open_tensor<Rule, T>(step_, tensor_, contexts_[current_]);
    }
    if (changes || step_.by_row) __syncthreads();
    return contexts_[current_];
  }

  // Likewise the threads of a warp with a tile of its own. Of contexts there are `warp_contexts`. A block has such tiles
  // before all others or after them.
  __device__ __forceinline__ const TileContext<Rule, T>& open_by_warp(const Tile& tile) {
    current_ = 2 + static_cast<int>(threadIdx.x / warp_threads);
    __syncwarp();  // nor its context
    if (threadIdx.x % warp_threads == 0) open_tensor<Rule, T>(step_, tile.tensor, contexts_[current_]);
    __syncwarp();
    return contexts_[current_];
  }

  // What a tensor's scalars are made of has changed.
  __device__ void forget() { tensor_ = -1; }

  // Maps gradients and parameters as core/gradient.h says.
  __device__ __forceinline__ void map(const Position& at, T (&p)[chunk], T (&g)[chunk]) const {
    GradientMap<T> map = contexts_[current_].map;
    if (!step_.mapped || rows_of_tile_ == 1) {
      if (step_.mapped) put_into(map, rows_[current_ < 2 ? 0 : current_ - 1]);
#pragma unroll
      for (int j = 0; j < chunk; ++j) map.apply(p[j], g[j]);
      return;
    }
    const std::int64_t length = step_.tensors[tensor_].extent.row_length;
    const std::int64_t row = at.first / length;
    const RowMap* next = rows_ + (row - (at.first - chunk_begin()) / length);
    std::int64_t left = (row + 1) * length - at.first;
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j >= at.count) continue;
      if (j == 0 || left == 0) {
        put_into(map, *next);
        ++next;
        if (j > 0) left = length;
      }
      map.apply(p[j], g[j]);
      --left;
    }
  }

 private:
  const StepTables& step_;
  TileContext<Rule, T>* contexts_;
  RowMap* rows_;
  bool decays_;
  std::int32_t tensor_ = -1;
  int current_ = 0;  // context
  int rows_of_tile_ = 1;
};

}  // namespace optim::cuda
