// The pass of an elementwise rule: everything a step does to an element in one read and one write. Also the last pass
// of a matrix rule.
#pragma once

#include "engine/cuda/pass.cuh"

namespace optim::cuda {

// One number per tile: the corrected sum over it of the second moment as the step will leave it.
template <class Rule, class T>
__device__ __forceinline__ void store_probe(const StateChunk<Rule, T>& state, const Position& at, const GroupEntry& group,
                                            double* output) {
  constexpr int slot = Traits<Rule>::second_moment;
  Sums<1> sum{};
  if constexpr (slot >= 0) {
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j < at.count) sum.value[0] += static_cast<double>(state.value[slot][j]);
    }
  }
  sum = merge_block(sum);
  if (threadIdx.x != 0) return;
  *output = corrected_second_moment(sum.value[0], group.settings.options.beta2, static_cast<double>(group.step));
}

template <class T>
__device__ __forceinline__ Stream workspace_of(void* array, const TensorEntry& tensor) {
  return {static_cast<T*>(array) + tensor.workspace, sizeof(T) == sizeof(double) ? DType::f64 : DType::f32};
}

// Of one tensor, from the measure of a matrix rule.
template <class Rule, class T>
__device__ __forceinline__ const typename Rule::template Factors<T>& factors_of(const PassArguments& arguments,
                                                                                std::int32_t tensor) {
  using Factors = typename Rule::template Factors<T>;
  return static_cast<const Factors*>(arguments.reduced.factors)[arguments.tiling.tensors[tensor].first_unit];
}

template <class Rule, class T>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) update(PassArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  OPTIM_SHARED(contexts, TileContext<Rule, T>[2]);
  int turn = 0;  // two contexts alternate, so that one barrier a tile is enough
  for (std::int64_t i = blockIdx.x; i < arguments.tiling.tile_count; i += gridDim.x) {
    const Tile tile = arguments.tiling.tiles[i];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    if (!takes_part(step, tensor)) {
      if (arguments.probe != nullptr && threadIdx.x == 0) arguments.probe[i] = 0;
      continue;
    }
    const Position at(tile);
    // A matrix rule steps along the direction that its program left instead of the gradient.
    const Stream grad = is_matrix<Rule> ? workspace_of<T>(arguments.direction, tensor) : tensor.grad;
    Raw<T> raw_p, raw_g;
    StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
    constexpr Pass pass = update_pass<Rule>;
    load(raw_p, tensor.param, at.first, pass.reads_param ? at.count : 0);
    load(raw_g, grad, at.first, pass.reads_grad ? at.count : 0);
    state.fetch(tensor, at, pass);
    TileContext<Rule, T>& context = contexts[turn];
    turn ^= 1;
    if (threadIdx.x == 0) open_tile<Rule, T>(step, tile.tensor, context);
    __syncthreads();
    const ScalarsOf<Rule, T> scalars = context.scalars;
    T p[chunk], g[chunk];
    widen(raw_p, tensor.param.dtype, p);
    widen(raw_g, grad.dtype, g);
    state.open(tensor);
    if constexpr (is_matrix<Rule>) {
      T unused[chunk] = {};
      prepare_elements(step, tile.tensor, at, context.map, p, unused);
    } else {
      prepare_elements(step, tile.tensor, at, context.map, p, g);
    }
    T raw_prepared[chunk] = {};
    if constexpr (has_measure<Rule>) {
      Raw<T> raw;
      const Stream prepared = workspace_of<T>(arguments.prepared, tensor);
      load(raw, prepared, at.first, at.count);
      widen(raw, prepared.dtype, raw_prepared);
    }
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      StateOf<Rule, T> s;
      state.get(j, s);
      if constexpr (has_measure<Rule>) {
        Rule::update(p[j], g[j], raw_prepared[j], s, scalars, factors_of<Rule, T>(arguments, tile.tensor));
      } else {
        Rule::update(p[j], g[j], s, scalars);
      }
      state.put(j, s);
    }
    if (arguments.probe != nullptr) {
      store_probe<Rule, T>(state, at, step.groups[tensor.group], arguments.probe + i);
      continue;
    }
    if (context.looks_ahead) look_ahead<Rule, T>(step, tensor, at, p, state);
    if constexpr (pass.writes_param) store_param(step, tile.tensor, at, p);
    if constexpr (pass.writes_state) state.write(tensor, at);
    if constexpr (writes_gradient<Rule>) store_values(g, tensor.grad, at.first, at.count);
  }
}

}  // namespace optim::cuda
