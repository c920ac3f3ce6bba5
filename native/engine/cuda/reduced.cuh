// The two passes of a reduced rule over the elements (or of the initialization of any rule), and what finishes the sums
// between them.
#pragma once

#include "engine/cuda/update.cuh"

namespace optim::cuda {

template <class Rule>
using RuleSums = Sums<Rule::sum_count>;

template <class Rule, class T>
__device__ __forceinline__ void add_terms(const Terms<Rule::sum_count>& terms, RuleSums<Rule>& sums) {
#pragma unroll
  for (int k = 0; k < Rule::sum_count; ++k) sums.value[k] += static_cast<double>(terms.value[k]);
}

// Zeros where a tensor takes no part.
template <class V>
__device__ inline void clear_partials(const Tile& tile, const TiledTensor& tensor, V* partials) {
  const std::int64_t units = tensor.partials_per_unit > 1 ? 1 : tile.count / tensor.unit_length;
  for (std::int64_t u = threadIdx.x; u < units; u += block_threads) partials[tile.partial + u] = V{};
}

template <class Rule, class T>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) gather(PassArguments arguments) {
  using V = RuleSums<Rule>;
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  OPTIM_SHARED(contexts, TileContext<Rule, T>[2]);
  OPTIM_DYNAMIC_SHARED(runs_memory, V);  // 2 * block_threads of them, where the tiling has tiles of several units
  V* const heads = runs_memory;
  V* const tails = runs_memory + block_threads;
  V* const partials = reinterpret_cast<V*>(arguments.reduced.partials);
  int turn = 0;
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.tile_count; i += gridDim.x) {
    const Tile tile = arguments.tiling.tiles[i];
    const TiledTensor& tiled = arguments.tiling.tensors[tile.tensor];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    if (!takes_part(step, tensor)) {
      if (arguments.probe == nullptr) {
        clear_partials(tile, tiled, partials);
      } else if (threadIdx.x == 0) {
        arguments.probe[i] = 0;
      }
      continue;
    }
    const Position at(tile);
    const Pass pass = step.groups[tensor.group].settings.gather_pass;
    Raw<T> raw_p, raw_g;
    StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
    load(raw_p, tensor.param, at.first, pass.reads_param ? at.count : 0);
    load(raw_g, tensor.grad, at.first, pass.reads_grad ? at.count : 0);
    state.fetch(tensor, at, pass);
    TileContext<Rule, T>& context = contexts[turn];
    turn ^= 1;
    if (threadIdx.x == 0) open_tile<Rule, T>(step, tile.tensor, context);
    __syncthreads();
    const ScalarsOf<Rule, T> scalars = context.scalars;
    T p[chunk], g[chunk];
    widen(raw_p, tensor.param.dtype, p);
    widen(raw_g, tensor.grad.dtype, g);
    state.open(tensor);
    prepare_elements(step, tile.tensor, at, context.map, p, g);

    const bool single = tiled.unit_length >= tile.count;
    const UnitRuns<V> runs(tile, single ? tile.count : tiled.unit_length, partials + tile.partial);
    V sums{};
    int run = runs.begin();  // where the run of elements in sums began
    int end = runs.unit_end(run);
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j >= at.count) continue;
      StateOf<Rule, T> s;
      state.get(j, s);
      add_terms<Rule, T>(Rule::gather(p[j], g[j], s, scalars), sums);
      state.put(j, s);
      const int next = runs.begin() + j + 1;
      if (!single && (next == end || j + 1 == at.count)) {
        if (arguments.probe == nullptr) runs.hand_over(run, next, sums, heads, tails);
        sums = V{};
        run = next;
        end = runs.unit_end(next);
      }
    }
    if (arguments.probe != nullptr) {
      store_probe<Rule, T>(state, at, step.groups[tensor.group], arguments.probe + i);
      continue;
    }
    if (single) {
      sums = merge_block(sums);
      if (threadIdx.x == 0) partials[tile.partial] = sums;
    } else {
      runs.combine(heads, tails);
    }
    if (pass.writes_state) state.write(tensor, at);
  }
}

// The extent that a rule sees beside its sums: rows are its units where it says how long they are.
template <class Rule>
__device__ inline Extent extent_of_units(const TensorEntry& tensor, const TiledTensor& tiled) {
  Extent extent = tensor.extent;
  if constexpr (has_unit_length<Rule>) extent.row_length = tiled.unit_length;
  return extent;
}

// One block for each span, one thread for each unit: its sums, and the slots that have one value per row.
template <class Rule>
__global__ void __launch_bounds__(block_threads) close_units(PassArguments arguments) {
  using V = RuleSums<Rule>;
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  const V* const partials = reinterpret_cast<const V*>(arguments.reduced.partials);
  OPTIM_SHARED(scalars, ScalarsOf<Rule, double>);
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.span_count; i += gridDim.x) {
    const Span span = arguments.tiling.spans[i];
    const TensorEntry& tensor = step.tensors[span.tensor];
    const TiledTensor& tiled = arguments.tiling.tensors[span.tensor];
    const int thread = static_cast<int>(threadIdx.x);
    const bool closes = has_close_row<Rule> && takes_part(step, tensor);
    if (closes && thread == 0) specialized_scalars<Rule, double>(step, span.tensor, scalars);
    __syncthreads();
    V sums{};
    if (thread < span.count) {
      const std::int64_t unit = span.unit + thread;
      sums = unit_value(partials, tiled, unit);
      if constexpr (has_close_row<Rule>) {
        if (closes) {
          StateOf<Rule, double> slots{};
          load_unit_slots<Rule>(tensor, unit, slots);
          Rule::close_row(sums.value, slots, static_cast<const ScalarsOf<Rule, double>&>(scalars),
                          extent_of_units<Rule>(tensor, tiled));
          store_unit_slots<Rule>(tensor, unit, true, slots);
        }
      }
      reinterpret_cast<V*>(arguments.reduced.units)[tiled.first_unit + unit] = sums;
    }
    sums = merge_block(sums);
    if (thread == 0) reinterpret_cast<V*>(arguments.reduced.spans)[i] = sums;
  }
}

// One warp for each tensor.
template <class Rule>
__global__ void __launch_bounds__(block_threads) close_tensors(PassArguments arguments) {
  using V = RuleSums<Rule>;
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  const V* const spans = reinterpret_cast<const V*>(arguments.reduced.spans);
  const int first = static_cast<int>((blockIdx.x * blockDim.x + threadIdx.x) / warp_threads);
  const int warps = static_cast<int>(gridDim.x) * block_warps;
  for (int i = first; i < step.tensor_count; i += warps) {
    if (arguments.tiling.tensors[i].units == 0) continue;
    V sums = tensor_value(spans, arguments.tiling, i);
    if (threadIdx.x % warp_threads != 0) continue;
    if constexpr (has_close_tensor<Rule>) {
      const TensorEntry& tensor = step.tensors[i];
      if (takes_part(step, tensor)) {
        ScalarsOf<Rule, double> scalars;
        specialized_scalars<Rule, double>(step, i, scalars);
        StateOf<Rule, double> slots{};
        load_unit_slots<Rule>(tensor, 0, slots);
        Rule::close_tensor(sums.value, slots, static_cast<const ScalarsOf<Rule, double>&>(scalars), tensor.extent);
        store_unit_slots<Rule>(tensor, 0, false, slots);
      }
    }
    reinterpret_cast<V*>(arguments.reduced.tensors)[i] = sums;
  }
}

// One block.
template <class Rule>
__global__ void __launch_bounds__(block_threads) close_all(PassArguments arguments) {
  using V = RuleSums<Rule>;
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  V sums{};
  for (int i = static_cast<int>(threadIdx.x); i < step.tensor_count; i += block_threads) {
    if (arguments.tiling.tensors[i].units > 0) sums.merge(reinterpret_cast<const V*>(arguments.reduced.tensors)[i]);
  }
  sums = merge_block(sums);
  if (threadIdx.x == 0) *reinterpret_cast<V*>(arguments.reduced.all) = sums;
}

// The factors of every unit.
template <class Rule, class T>
__global__ void __launch_bounds__(block_threads) finish(PassArguments arguments) {
  using V = RuleSums<Rule>;
  using Factors = typename Rule::template Factors<T>;
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  OPTIM_SHARED(scalars, ScalarsOf<Rule, double>);
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.span_count; i += gridDim.x) {
    const Span span = arguments.tiling.spans[i];
    const TensorEntry& tensor = step.tensors[span.tensor];
    if (!takes_part(step, tensor)) continue;
    const int thread = static_cast<int>(threadIdx.x);
    if (thread == 0) specialized_scalars<Rule, double>(step, span.tensor, scalars);
    __syncthreads();
    if (thread < span.count) {
      const std::int64_t unit = arguments.tiling.tensors[span.tensor].first_unit + span.unit + thread;
      const V& row = reinterpret_cast<const V*>(arguments.reduced.units)[unit];
      const V& whole = scope_of<Rule>() == Scope::all ? *reinterpret_cast<const V*>(arguments.reduced.all)
                                                 : reinterpret_cast<const V*>(arguments.reduced.tensors)[span.tensor];
      static_cast<Factors*>(arguments.reduced.factors)[unit] = Rule::template finish<T>(
          row.value, whole.value, static_cast<const ScalarsOf<Rule, double>&>(scalars),
          extent_of_units<Rule>(tensor, arguments.tiling.tensors[span.tensor]));
    }
    __syncthreads();
  }
}

template <class Rule, class T>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) apply(PassArguments arguments) {
  using Factors = typename Rule::template Factors<T>;
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  OPTIM_SHARED(contexts, TileContext<Rule, T>[2]);
  int turn = 0;
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.tile_count; i += gridDim.x) {
    const Tile tile = arguments.tiling.tiles[i];
    const TiledTensor& tiled = arguments.tiling.tensors[tile.tensor];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    if (!takes_part(step, tensor)) continue;
    const Position at(tile);
    Pass pass = step.groups[tensor.group].settings.apply_pass;
    const bool pulls_back = step.settings.pullback != Pullback::none;
    pass.reads_state = pass.reads_state || pulls_back;
    Raw<T> raw_p, raw_g;
    StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
    load(raw_p, tensor.param, at.first, at.count);
    load(raw_g, tensor.grad, at.first, pass.reads_grad ? at.count : 0);
    state.fetch(tensor, at, pass);
    TileContext<Rule, T>& context = contexts[turn];
    turn ^= 1;
    if (threadIdx.x == 0) open_tile<Rule, T>(step, tile.tensor, context);
    __syncthreads();
    const ScalarsOf<Rule, T> scalars = context.scalars;
    T p[chunk], g[chunk];
    widen(raw_p, tensor.param.dtype, p);
    widen(raw_g, tensor.grad.dtype, g);
    state.open(tensor);
    prepare_elements(step, tile.tensor, at, context.map, p, g);

    const std::int64_t unit = at.count > 0 ? at.first / tiled.unit_length : tile.unit;
    const Factors* next = static_cast<const Factors*>(arguments.reduced.factors) + tiled.first_unit + unit;
    Factors factors = *next;
    std::int64_t left = (unit + 1) * tiled.unit_length - at.first;
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j >= at.count) continue;
      if (left == 0) {
        factors = *++next;
        left = tiled.unit_length;
      }
      --left;
      StateOf<Rule, T> s;
      state.get(j, s);
      Rule::apply(p[j], g[j], s, scalars, static_cast<const Factors&>(factors));
      if constexpr (apply_writes_state<Rule>) state.put(j, s);
    }
    if (context.looks_ahead) {
      look_ahead<Rule, T>(step, tensor, at, p, state);
      constexpr int moment = Traits<Rule>::first_moment;
      if constexpr (moment >= 0 && !apply_writes_state<Rule>) {
        if (pulls_back) store_values(state.value[moment], tensor.element[moment], at.first, at.count);
      }
    }
    store_param(step, tile.tensor, at, p);
    if constexpr (apply_writes_state<Rule>) state.write(tensor, at);
  }
}

}  // namespace optim::cuda
