// The pass of an elementwise rule: everything a step does to an element in one read and one write. Also the last pass
// of a matrix rule, and what a reduced rule does to tensors that it does not reduce.
#pragma once

#include "engine/cuda/advance.cuh"
#include "engine/cuda/probe.cuh"

namespace optim::cuda {

// Of this thread.
__device__ __forceinline__ int rank_in_tile(bool by_warp) {
  return static_cast<int>(by_warp ? threadIdx.x % warp_threads : threadIdx.x);
}

template <class T>
__device__ __forceinline__ Stream workspace_of(void* array, const TensorEntry& tensor) {
  return {static_cast<T*>(array) + tensor.workspace, sizeof(T) == sizeof(double) ? DType::f64 : DType::f32};
}

// The factors of a tensor, from the measure of a matrix rule. By one thread.
template <class Rule, class T>
__device__ void measured_factors(const PassArguments& arguments, std::int32_t tensor,
                                 typename Rule::template Factors<T>& factors) {
  const double* const sums =
      arguments.reduced.values + (arguments.tiling.tile_count + tensor) * std::int64_t{Rule::sum_count};
  ScalarsOf<Rule, double> scalars;
  specialized_scalars<Rule, double>(arguments.step, tensor, scalars);
  factors = Rule::template finish<T>(sums, sums, static_cast<const ScalarsOf<Rule, double>&>(scalars),
                                     arguments.step.tensors[tensor].extent);
}

// Tile i, of a tensor that takes part. By one warp, or by the whole block.
template <class Rule, class T>
__device__ __forceinline__ void update_tile(const PassArguments& arguments, std::int64_t i, const Tile& tile,
                                            Opener<Rule, T>& opener, bool by_warp) {
  const StepTables& step = arguments.step;
  const TensorEntry& tensor = step.tensors[tile.tensor];
  const Position at(tile, rank_in_tile(by_warp));
  // A matrix rule steps along the direction that its program left instead of the gradient.
  const Stream grad = is_matrix<Rule> ? workspace_of<T>(arguments.direction, tensor) : tensor.grad;
  by_warp ? opener.open_map_by_warp(tile) : opener.open_maps(tile);
  Raw<T> raw_p, raw_g;
  StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
  constexpr Pass steps = update_pass<Rule>;
  const bool probes = is_probe<Rule>(arguments);
  const Pass pass = probes ? probe_pass<Rule>(step.groups[tensor.group]) : steps;
  load(raw_p, tensor.param, at.first, pass.reads_param ? at.count : 0);
  load(raw_g, grad, at.first, pass.reads_grad ? at.count : 0);
  state.fetch(tensor, at, pass);
  [[maybe_unused]] const Stream gradients = workspace_of<T>(arguments.prepared, tensor);
  [[maybe_unused]] Raw<T> raw_prepared;
  if constexpr (has_measure<Rule>) load(raw_prepared, gradients, at.first, at.count);
  const TileContext<Rule, T>& context = by_warp ? opener.open_by_warp(tile) : opener.open(tile);
  const ScalarsOf<Rule, T> scalars = context.scalars;
  T p[chunk], g[chunk];
  widen(raw_p, tensor.param.dtype, p);
  widen(raw_g, grad.dtype, g);
  state.open(tensor);
  state.save(p);
  if constexpr (is_matrix<Rule>) {
    T unused[chunk] = {};
    opener.map(at, p, unused);
  } else {
    opener.map(at, p, g);
  }
  if constexpr (has_measure<Rule>) {
    using Factors = typename Rule::template Factors<T>;
    OPTIM_SHARED(shared_factors, Factors);
    __syncthreads();
    if (threadIdx.x == 0) measured_factors<Rule, T>(arguments, tile.tensor, shared_factors);
    __syncthreads();
    const Factors factors = shared_factors;
    T prepared[chunk];
    widen(raw_prepared, gradients.dtype, prepared);
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      StateOf<Rule, T> s;
      state.get(j, s);
      Rule::update(p[j], g[j], prepared[j], s, scalars, factors);
      state.put(j, s);
    }
  } else {
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      StateOf<Rule, T> s;
      state.get(j, s);
      Rule::update(p[j], g[j], s, scalars);
      state.put(j, s);
    }
  }
  if (probes) {
    store_probe<Rule, T>(state, at, i, tensor, arguments);
    return;
  }
  if (context.looks_ahead) look_ahead<Rule, T>(step, tensor, at, p, state);
  if constexpr (steps.writes_param) store_param(step, tensor, at, p);
  if constexpr (steps.writes_state) state.write(tensor, at);
  if constexpr (writes_gradient<Rule>) store_values(g, tensor.grad, at.first, at.count);
}

template <class Rule, class T>
__global__ void __launch_bounds__(block_threads, stepping_blocks<Rule, T>) update(PassArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  const PassArguments& kept = keep(arguments);
  OPTIM_SHARED(contexts, TileContext<Rule, T>[warp_contexts]);
  OPTIM_DYNAMIC_SHARED(rows, RowMap);
  Opener<Rule, T> opener(kept.step, arguments.probe == nullptr, contexts, rows);
  Cascade<ProbeMerging, PassArguments> probes(kept, true);
  const TileTurns& turns = arguments.turns;
  for (TileRange range(turns.count, arguments.reversed); !range.done(); range.advance()) {
    std::int64_t i = range.tile();
    const bool by_warp = !is_matrix<Rule> && i >= turns.large;
    if (by_warp) i = turns.large + (i - turns.large) * block_warps + threadIdx.x / warp_threads;
    if (i >= arguments.tiling.tile_count) continue;
    if (turns.tiles != nullptr) i = turns.tiles[i];
    const Tile tile = arguments.tiling.tiles[i];
    if (!takes_part(step, step.tensors[tile.tensor])) {
      if (is_probe<Rule>(arguments)) probes.leave_out(tile);
      continue;
    }
    update_tile<Rule, T>(arguments, i, tile, opener, by_warp);
    if (is_probe<Rule>(arguments)) probes.add(i);
  }
  if (is_probe<Rule>(arguments)) {
    probes.finish();
  } else if (arguments.advances) {
    advance<Rule, T>(kept.step);
  }
}

}  // namespace optim::cuda
