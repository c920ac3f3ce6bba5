// The passes of a matrix rule before and after its program, but for the last, which is update.
#pragma once

#include "engine/cuda/sums.cuh"
#include "engine/cuda/update.cuh"

namespace optim::cuda {

// Tells the program which of its stages run for each tensor, and whether the step is skipped. By the blocks together.
template <class Rule>
__device__ void mark_due(const PassArguments& arguments, bool skips) {
  const StepTables& step = arguments.step;
  if (blockIdx.x == 0 && threadIdx.x == 0) step.state->skips_program = skips ? 1 : 0;
  if (skips) return;
  const int stride = static_cast<int>(gridDim.x * blockDim.x);
#pragma unroll 1
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < step.tensor_count; i += stride) {
    const CohortEntry& cohort = cohort_of(step, step.tensors[i]);
    arguments.due[i] =
        Rule::due(hypers_of<Rule>(step.groups[cohort.group]), step_number(cohort), !cohort.counts.stepped);
  }
}

// First pass of a matrix rule: the prepared gradient and the direction, for its program.
template <class Rule, class T>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) direct(PassArguments arguments) {
  const StepTables& step = arguments.step;
  const bool skips = is_skipped(step);
  mark_due<Rule>(arguments, skips);
  if (skips) return;
  const PassArguments& kept = keep(arguments);
  OPTIM_SHARED(contexts, TileContext<Rule, T>[2]);
  OPTIM_DYNAMIC_SHARED(rows, RowMap);
  Opener<Rule, T> opener(kept.step, true, contexts, rows);
  for (TileRange range(arguments.tiling.tile_count, arguments.reversed); !range.done(); range.advance()) {
    const Tile tile = arguments.tiling.tiles[range.tile()];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    if (!takes_part(step, tensor)) continue;
    const Position at(tile);
    opener.open_maps(tile);
    Raw<T> raw_p, raw_g;
    StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
    load(raw_p, tensor.param, at.first, at.count);
    load(raw_g, tensor.grad, at.first, at.count);
    state.fetch(tensor, at, everything());
    const TileContext<Rule, T>& context = opener.open(tile);
    T p[chunk], g[chunk], direction[chunk];
    widen(raw_p, tensor.param.dtype, p);
    widen(raw_g, tensor.grad.dtype, g);
    state.open(tensor);
    opener.map(at, p, g);
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

// The sums over each tensor of what a matrix rule measures between its program and its update.
template <class Rule, class T>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) measure(PassArguments arguments) {
  using V = RuleSums<Rule>;
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  const PassArguments& kept = keep(arguments);
  OPTIM_SHARED(contexts, TileContext<Rule, T>[2]);
  OPTIM_DYNAMIC_SHARED(rows, RowMap);
  Opener<Rule, T> opener(kept.step, true, contexts, rows);
  const SumMerging<Rule> merging{arguments};
  Cascade<SumMerging<Rule>, PassArguments> cascade(kept, false);
  for (TileRange range(arguments.tiling.tile_count, arguments.reversed); !range.done(); range.advance()) {
    const std::int64_t i = range.tile();
    const Tile tile = arguments.tiling.tiles[i];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    if (!takes_part(step, tensor)) continue;
    const Position at(tile);
    const Stream directions = workspace_of<T>(arguments.direction, tensor);
    const Stream gradients = workspace_of<T>(arguments.prepared, tensor);
    Raw<T> raw_u, raw_g;
    StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
    load(raw_u, directions, at.first, at.count);
    load(raw_g, gradients, at.first, at.count);
    state.fetch(tensor, at, everything());
    const TileContext<Rule, T>& context = opener.open(tile);
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
    if (threadIdx.x == 0) merging.values()[i] = sums;
    cascade.add(i);
  }
  cascade.finish();
}

}  // namespace optim::cuda
