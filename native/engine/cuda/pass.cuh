// What all passes of a rule over the elements have in common: the arguments, what one thread works out for a whole
// tile, and the streams of a chunk.
#pragma once

#include <limits>

#include "core/rule.h"
#include "engine/cuda/elements.cuh"
#include "engine/cuda/launch.h"
#include "engine/cuda/reduce.cuh"
#include "engine/cuda/rounding.cuh"
#include "engine/cuda/tables.h"
#include "helpers/lookahead.h"

namespace optim::cuda {

// Resident blocks of a multiprocessor that a pass must leave registers for; ptxas spills when it aims for more by
// itself.
template <class T>
constexpr int blocks_at_least = sizeof(T) == sizeof(double) ? 1 : 2;

// Of one reduced pass.
struct ReducedArrays {
  double* partials;  // Sums of the rule, by partial result
  double* units;     // by unit
  double* spans;
  double* tensors;
  double* all;    // of all tensors
  void* factors;  // Factors of the rule, by unit
};

struct PassArguments {
  StepTables step;
  TilingView tiling;
  ReducedArrays reduced;
  double* probe;   // by tile: sums of the second moment as it will be, and nothing is stored; null: a true pass
  void* prepared;  // workspace of a matrix rule, in the arithmetic of the step
  void* direction;
  std::uint32_t* due;  // by tensor: stages of a matrix rule's program
};

template <class Rule>
constexpr int first_moment_slot() {
  constexpr int count = SlotsOf<Rule>::count;
  if (alternation<Rule>().active >= 0) return -1;
  SlotInfo infos[count > 0 ? count : 1] = {};
  SlotsOf<Rule>::describe(Rule::hypers, infos);
  for (int i = 0; i < count; ++i) {
    if (infos[i].role == Role::first_moment && infos[i].shape == SlotShape::param) return i;
  }
  return -1;
}

template <class Rule>
struct Traits {
  static constexpr int slot_count = SlotsOf<Rule>::count;
  static constexpr int stored_slots = slot_count > 0 ? slot_count : 1;
  static constexpr int first_moment = first_moment_slot<Rule>();
  static constexpr int second_moment = SlotsOf<Rule>::second_moment();
};

__device__ inline bool takes_part(const StepTables& step, const TensorEntry& tensor) {
  return step.initialize ? tensor.extent.count > 0 : tensor.present;
}

__device__ inline bool is_skipped(const StepTables& step) { return step.state->skip != 0; }

__device__ inline double unscale_of(const float* grad_scale) {
  return grad_scale != nullptr ? 1 / static_cast<double>(*grad_scale) : 1;
}

template <class T>
__device__ inline T clip_of(const HelperSettings& settings) {
  return T(settings.clip_value > 0 ? settings.clip_value : std::numeric_limits<double>::infinity());
}

template <class Rule>
__device__ inline HypersOf<Rule> hypers_of(const GroupEntry& group) {
  HypersOf<Rule> h{};
#pragma unroll
  for (int i = 0; i < HypersOf<Rule>::count; ++i) h.value[i] = group.settings.hypers[i];
  return h;
}

template <class Rule, class T>
__device__ const ScalarsOf<Rule, T>& scalars_of(const GroupEntry& group) {
  return *reinterpret_cast<const ScalarsOf<Rule, T>*>(group.scalars[sizeof(T) == sizeof(double)].bytes);
}

// Slots with one value per row or per tensor, in double; the others are 0.
template <class Rule>
__device__ inline void load_unit_slots(const TensorEntry& tensor, std::int64_t row, StateOf<Rule, double>& slots) {
  for (int i = 0; i < Traits<Rule>::slot_count; ++i) {
    const Stream& stream = tensor.unit[i];
    const bool per_row = (tensor.per_row >> i & 1u) != 0;
    slots.value[i] = stream.data == nullptr ? 0 : load_number(stream, per_row ? row : 0);
  }
}

// Stores those with one value per row, or those with one value per tensor.
template <class Rule>
__device__ inline void store_unit_slots(const TensorEntry& tensor, std::int64_t row, bool per_row,
                                        const StateOf<Rule, double>& slots) {
  for (int i = 0; i < Traits<Rule>::slot_count; ++i) {
    const Stream& stream = tensor.unit[i];
    if (stream.data == nullptr || (tensor.per_row >> i & 1u) != (per_row ? 1u : 0u)) continue;
    store_number(stream, per_row ? row : 0, slots.value[i]);
  }
}

// The scalars of a group as they are for one of its tensors.
template <class Rule, class T>
__device__ void specialized_scalars(const StepTables& step, std::int32_t index, ScalarsOf<Rule, T>& scalars) {
  const TensorEntry& tensor = step.tensors[index];
  const GroupEntry& group = step.groups[tensor.group];
  scalars = scalars_of<Rule, T>(group);
  if constexpr (has_specialize<Rule>) {
    StateOf<Rule, double> slots{};
    load_unit_slots<Rule>(tensor, 0, slots);
    const double adanorm = step.maps != nullptr ? step.maps[index].adanorm : 1;
    const TensorFacts facts{tensor.extent, step.first_step[index] == group.step, adanorm, tensor.has_matrices};
    Rule::specialize(scalars, static_cast<const StateOf<Rule, double>&>(slots), facts);
  }
}

// What one thread works out for all threads of a tile.
template <class Rule, class T>
struct TileContext {
  ScalarsOf<Rule, T> scalars;
  GradientMap<T> map;  // of the first row, where rows differ
  bool looks_ahead;
};

template <class Rule, class T>
__device__ void open_tile(const StepTables& step, std::int32_t index, TileContext<Rule, T>& context) {
  const TensorEntry& tensor = step.tensors[index];
  const GroupEntry& group = step.groups[tensor.group];
  specialized_scalars<Rule, T>(step, index, context.scalars);
  RowMap row = RowMap::identity();
  row.scale = step.initialize ? 1 : group.settings.options.sign;
  if (step.rows != nullptr) row = step.rows[step.row_units[index].first_unit];
  context.map.unscale = T(step.initialize ? 1 : unscale_of(step.grad_scale));
  context.map.clip = clip_of<T>(step.settings);
  context.map.scale = T(row.scale);
  context.map.mean = T(row.mean);
  context.map.l2 = T(step.initialize ? 0 : group.settings.options.l2);
  context.map.param_scale = T(row.param_scale);
  const int every = group.settings.options.helpers.lookahead_k;
  context.looks_ahead = !step.initialize && lookahead_due(static_cast<double>(group.step), every);
}

// Whether the rule's alternating slots have changed places at this step.
template <class Rule>
__device__ __forceinline__ bool is_swapped(const StepTables& step, const TensorEntry& tensor) {
  if constexpr (alternation<Rule>().active < 0) return false;
  return alternation<Rule>().swapped(static_cast<double>(step.groups[tensor.group].step));
}

// A pass over all streams. (A function, since device code cannot refer to a constant of the host.)
__device__ __forceinline__ constexpr Pass everything() { return {true, true, true, true, true}; }

// This thread's elements of a tile.
struct Position {
  std::int64_t first;  // within the tensor
  int count;           // 0 for a thread without any

  __device__ explicit Position(const Tile& tile) {
    const int begin = static_cast<int>(threadIdx.x) * chunk;
    const int left = tile.count - begin;
    first = tile.begin + begin;
    count = left < 0 ? 0 : left < chunk ? left : chunk;
  }
};

// Maps gradients and parameters as core/gradient.h says.
template <class T>
__device__ __forceinline__ void prepare_elements(const StepTables& step, std::int32_t index, const Position& at,
                                                 GradientMap<T> map, T (&p)[chunk], T (&g)[chunk]) {
  if (!step.by_row || step.rows == nullptr) {
#pragma unroll
    for (int j = 0; j < chunk; ++j) map.apply(p[j], g[j]);
    return;
  }
  const std::int64_t length = step.tensors[index].extent.row_length;
  const std::int64_t row = at.first / length;
  const RowMap* next = step.rows + step.row_units[index].first_unit + row;
  std::int64_t left = (row + 1) * length - at.first;
#pragma unroll
  for (int j = 0; j < chunk; ++j) {
    if (j >= at.count) continue;
    if (j == 0 || left == 0) {
      map.scale = T(next->scale);
      map.mean = T(next->mean);
      map.param_scale = T(next->param_scale);
      ++next;
      if (j > 0) left = length;
    }
    map.apply(p[j], g[j]);
    --left;
  }
}

// Stores what a step made of a parameter.
template <class T>
__device__ __forceinline__ void store_param(const StepTables& step, std::int32_t index, const Position& at,
                                            const T (&p)[chunk]) {
  const TensorEntry& tensor = step.tensors[index];
  if constexpr (sizeof(T) == sizeof(float)) {
    if (step.storage.stochastic_rounding && tensor.param.dtype == DType::bf16) {
      const std::int64_t t = step.initialize ? 0 : step.groups[tensor.group].step;
      store_rounded(p, tensor.param, at.first, at.count,
                    {step.storage.rounding_seed, static_cast<std::uint64_t>(t), static_cast<std::uint64_t>(index)});
      return;
    }
    if (tensor.narrow_param.data != nullptr) store_values(p, tensor.narrow_param, at.first, at.count);
  }
  store_values(p, tensor.param, at.first, at.count);
}

// The slots with one value per element, in one chunk.
template <class Rule, class T>
struct StateChunk {
  using S = SlotsOf<Rule>;
  Raw<T> raw[Traits<Rule>::stored_slots];
  T value[Traits<Rule>::stored_slots][chunk];
  bool swapped;

  __device__ __forceinline__ explicit StateChunk(bool slots_are_swapped) : swapped(slots_are_swapped) {}

  // Where slot I is stored at this step.
  template <int I>
  __device__ __forceinline__ const Stream& stream(const TensorEntry& tensor) const {
    constexpr AlternatingSlots slots = alternation<Rule>();
    if constexpr (I == slots.active) return tensor.element[swapped ? slots.resting : I];
    if constexpr (I == slots.resting) return tensor.element[swapped ? slots.active : I];
    return tensor.element[I];
  }

  template <int I = 0>
  __device__ __forceinline__ void fetch(const TensorEntry& tensor, const Position& at, const Pass& pass) {
    if constexpr (I < S::count) {
      if constexpr (S::template per_element<I>(true)) {
        const bool reads = S::template role<I>() == Role::input ? pass.reads_inputs : pass.reads_state;
        load(raw[I], stream<I>(tensor), at.first, reads ? at.count : 0);
      }
      fetch<I + 1>(tensor, at, pass);
    }
  }

  template <int I = 0>
  __device__ __forceinline__ void open(const TensorEntry& tensor) {
    if constexpr (I < S::count) {
      if constexpr (S::template per_element<I>(true)) widen(raw[I], stream<I>(tensor).dtype, value[I]);
      open<I + 1>(tensor);
    }
  }

  template <int I = 0>
  __device__ __forceinline__ void write(const TensorEntry& tensor, const Position& at) const {
    if constexpr (I < S::count) {
      if constexpr (S::template per_element<I>(true) && !is_read_only<Rule, I>) {
        store_values(value[I], stream<I>(tensor), at.first, at.count);
      }
      write<I + 1>(tensor, at);
    }
  }

  template <int I = 0>
  __device__ __forceinline__ void get(int j, StateOf<Rule, T>& s) const {
    if constexpr (I < S::count) {
      s.value[I] = S::template per_element<I>(true) ? value[I][j] : T(0);
      get<I + 1>(j, s);
    }
  }

  template <int I = 0>
  __device__ __forceinline__ void put(int j, const StateOf<Rule, T>& s) {
    if constexpr (I < S::count) {
      if constexpr (S::template per_element<I>(true)) value[I][j] = s.value[I];
      put<I + 1>(j, s);
    }
  }
};

// Lookahead's blend of a chunk, after the rule stepped it and before it is stored.
template <class Rule, class T>
__device__ __forceinline__ void look_ahead(const StepTables& step, const TensorEntry& tensor, const Position& at,
                                           T (&p)[chunk], StateChunk<Rule, T>& state) {
  const HelperSettings& settings = step.groups[tensor.group].settings.options.helpers;
  constexpr int moment = Traits<Rule>::first_moment;
  const LookaheadBlend<T> blend{T(settings.lookahead_alpha), settings.pullback};
  Raw<T> raw;
  T slow[chunk], slow_momentum[chunk];
  load(raw, tensor.slow, at.first, at.count);
  widen(raw, tensor.slow.dtype, slow);
  load(raw, tensor.slow_momentum, at.first, at.count);
  widen(raw, tensor.slow_momentum.dtype, slow_momentum);
#pragma unroll
  for (int j = 0; j < chunk; ++j) {
    T none = 0;
    if constexpr (moment >= 0) {
      blend.apply(p[j], slow[j], state.value[moment][j], slow_momentum[j]);
    } else {
      blend.apply(p[j], slow[j], none, slow_momentum[j]);
    }
  }
  store_values(slow, tensor.slow, at.first, at.count);
  store_values(slow_momentum, tensor.slow_momentum, at.first, at.count);
}

}  // namespace optim::cuda
