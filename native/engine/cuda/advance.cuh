// What a step leaves for the next one: its number, and the scalars of every group. They are ready before the step
// begins, so that no kernel has to wait for them, and live on the device, so that a captured step goes on counting.
#pragma once

#include "engine/cuda/cascade.cuh"
#include "engine/cuda/context.cuh"

namespace optim::cuda {

// Not inlined: what a rule with many hyper-parameters computes needs more registers than the passes have left.
template <class Rule, class T>
__device__ __attribute__((noinline)) void store_scalars(GroupEntry& group, double t, const InputFacts& inputs) {
  unsigned char* const bytes = group.scalars[sizeof(T) == sizeof(double)].bytes;
  *reinterpret_cast<ScalarsOf<Rule, T>*>(bytes) = prepared<Rule, T>(hypers_of<Rule>(group), t, inputs);
}

template <class Rule, class T>
__device__ void prepare_group(GroupEntry& group) {
  const double t = step_number(group);
  const bool given = group.settings.inputs_given;
  const InputFacts inputs{given, static_cast<double>(group.input_steps + (given ? 1 : 0))};
  group.lr = learning_rate<Rule>(hypers_of<Rule>(group), t);
  store_scalars<Rule, T>(group, t, inputs);
  if constexpr (sizeof(T) != sizeof(double) && (is_reduced<Rule> || has_measure<Rule> || has_init<Rule>)) {
    store_scalars<Rule, double>(group, t, inputs);  // what sums are closed with
  }
}

// After a change of settings or counters. One block.
template <class Rule, class T>
__global__ void __launch_bounds__(block_threads) prepare(GroupEntry* groups, std::int32_t count) {
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < count; i += block_threads) prepare_group<Rule, T>(groups[i]);
}

// At the end of the last kernel of a step, by all blocks (step: of kept arguments); the last of them knows that nobody
// needs the old values.
template <class Rule, class T>
__device__ __attribute__((noinline)) void advance(const StepTables& step) {
  if (!arrive(&step.state->blocks_finished, 1, gridDim.x)) return;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < step.group_count; i += block_threads) {
    GroupEntry& group = step.groups[i];
    ++group.step;
    if (group.settings.inputs_given) ++group.input_steps;
    prepare_group<Rule, T>(group);
  }
}

}  // namespace optim::cuda
