// What all passes of a rule over the elements have in common: the arguments, the streams of a chunk, Lookahead.
#pragma once

#include "engine/cuda/cascade.cuh"
#include "engine/cuda/context.cuh"
#include "engine/cuda/rounding.cuh"

namespace optim::cuda {

// Resident blocks of a multiprocessor that a pass must leave registers for; ptxas spills when it aims for more.
template <class T>
constexpr int blocks_at_least = sizeof(T) == sizeof(double) ? 1 : 2;

// Of one reduced pass.
struct ReducedArrays {
  double* values;  // Sums of the rule, of the cascade
  double* units;   // closed, by unit
  void* factors;   // Factors of the rule, by unit, while a tile is stepped
};

struct PassArguments {
  StepTables step;
  TilingView tiling;
  TileTurns turns;
  CascadeView cascade;
  ReducedArrays reduced;
  double* probe;   // values of the cascade: the second moment as it will be, and nothing is stored; null: a true pass
  void* prepared;  // workspace of a matrix rule, in the arithmetic of the step
  void* direction;
  std::uint32_t* due;          // by tensor: stages of a matrix rule's program
  std::int32_t rows_per_tile;  // maps that a tile has at most
  bool reversed;               // takes the tiles from the last to the first
  bool advances;               // is the last pass of a step
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

template <class Rule, int I = 0>
constexpr int element_slots() {
  if constexpr (I == SlotsOf<Rule>::count)
    return 0;
  else
    return (SlotsOf<Rule>::template per_element<I>(true) ? 1 : 0) + element_slots<Rule, I + 1>();
}

// Of a pass that steps: with few streams it takes more blocks to keep the memory busy, and there are registers for
// them.
template <class Rule, class T>
constexpr int stepping_blocks = sizeof(T) == sizeof(float) && element_slots<Rule>() <= 1 && !writes_gradient<Rule>
                                    ? 3
                                    : blocks_at_least<T>;

// Whether the rule's alternating slots have changed places at this step.
template <class Rule>
__device__ __forceinline__ bool is_swapped(const StepTables& step, const TensorEntry& tensor) {
  if constexpr (alternation<Rule>().active < 0) return false;
  return alternation<Rule>().swapped(step_number(cohort_of(step, tensor)));
}

// A pass over all streams. (A function, since device code cannot refer to a constant of the host.)
__device__ __forceinline__ constexpr Pass everything() { return {true, true, true, true, true}; }

// Stores what a step made of a parameter.
template <class T>
__device__ __forceinline__ void store_param(const StepTables& step, const TensorEntry& tensor, const Position& at,
                                            const T (&p)[chunk]) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (step.storage.stochastic_rounding && tensor.param.dtype == DType::bf16) {
      const std::int64_t t = step.initialize ? 0 : cohort_of(step, tensor).counts.steps + 1;
      store_rounded(p, tensor.param, at.first, at.count,
                    {step.storage.rounding_seed, static_cast<std::uint64_t>(t),
                     static_cast<std::uint64_t>(&tensor - step.tensors)});
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
        const bool reads = S::template role<I>() == Role::input ? pass.reads_inputs : pass.reads_slot(I);
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

  // Of parameters as they were stored.
  __device__ __forceinline__ void save(const T (&p)[chunk]) {
    if constexpr (saved_param<Rule>() >= 0) {
#pragma unroll
      for (int j = 0; j < chunk; ++j) value[saved_param<Rule>()][j] = p[j];
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
  const HelperSettings& settings = step.groups[tensor.group].options.helpers;
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
