// The passes of a matrix rule before and after its program, but for the last, which is update.
#pragma once

#include "engine/cuda/reduced.cuh"

namespace optim::cuda {

// First pass of a matrix rule: the prepared gradient and the direction, for its program.
template <class Rule, class T>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) direct(PassArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  OPTIM_SHARED(contexts, TileContext<Rule, T>[2]);
  int turn = 0;
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.tile_count; i += gridDim.x) {
    const Tile tile = arguments.tiling.tiles[i];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    if (!takes_part(step, tensor)) continue;
    const Position at(tile);
    Raw<T> raw_p, raw_g;
    StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
    load(raw_p, tensor.param, at.first, at.count);
    load(raw_g, tensor.grad, at.first, at.count);
    state.fetch(tensor, at, everything());
    TileContext<Rule, T>& context = contexts[turn];
    turn ^= 1;
    if (threadIdx.x == 0) open_tile<Rule, T>(step, tile.tensor, context);
    __syncthreads();
    T p[chunk], g[chunk], direction[chunk];
    widen(raw_p, tensor.param.dtype, p);
    widen(raw_g, tensor.grad.dtype, g);
    state.open(tensor);
    prepare_elements(step, tile.tensor, at, context.map, p, g);
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      StateOf<Rule, T> s;
      state.get(j, s);
      direction[j] = Rule::direct(p[j], g[j], s, context.scalars);
      state.put(j, s);
    }
    store_values(g, workspace_of<T>(arguments.prepared, tensor), at.first, at.count);
    store_values(direction, workspace_of<T>(arguments.direction, tensor), at.first, at.count);
    state.write(tensor, at);
  }
}

// Which stages of a matrix rule's program run for each tensor.
template <class Rule>
__global__ void __launch_bounds__(block_threads) mark_due(PassArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  const int stride = static_cast<int>(gridDim.x * blockDim.x);
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < step.tensor_count; i += stride) {
    const GroupEntry& group = step.groups[step.tensors[i].group];
    const bool first_step = step.first_step[i] == group.step;
    arguments.due[i] = Rule::due(hypers_of<Rule>(group), static_cast<double>(group.step), first_step);
  }
}

// One partial sum a tile of what a matrix rule measures between its program and its update.
template <class Rule, class T>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) measure(PassArguments arguments) {
  using V = RuleSums<Rule>;
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  OPTIM_SHARED(contexts, TileContext<Rule, T>[2]);
  V* const partials = reinterpret_cast<V*>(arguments.reduced.partials);
  int turn = 0;
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.tile_count; i += gridDim.x) {
    const Tile tile = arguments.tiling.tiles[i];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    if (!takes_part(step, tensor)) {
      if (threadIdx.x == 0) partials[tile.partial] = V{};
      continue;
    }
    const Position at(tile);
    const Stream directions = workspace_of<T>(arguments.direction, tensor);
    const Stream gradients = workspace_of<T>(arguments.prepared, tensor);
    Raw<T> raw_u, raw_g;
    StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
    load(raw_u, directions, at.first, at.count);
    load(raw_g, gradients, at.first, at.count);
    state.fetch(tensor, at, everything());
    TileContext<Rule, T>& context = contexts[turn];
    turn ^= 1;
    if (threadIdx.x == 0) open_tile<Rule, T>(step, tile.tensor, context);
    __syncthreads();
    T u[chunk], g[chunk];
    widen(raw_u, directions.dtype, u);
    widen(raw_g, gradients.dtype, g);
    state.open(tensor);
    V sums{};
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j >= at.count) continue;
      StateOf<Rule, T> s;
      state.get(j, s);
      add_terms<Rule, T>(Rule::measure(u[j], g[j], static_cast<const StateOf<Rule, T>&>(s), context.scalars), sums);
    }
    sums = merge_block(sums);
    if (threadIdx.x == 0) partials[tile.partial] = sums;
  }
}

}  // namespace optim::cuda
