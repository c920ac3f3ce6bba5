// What a step leaves for the next one: the counts, and the scalars of every cohort. They are ready before the step
// begins, so that no kernel has to wait for them, and live on the device, so that a captured step goes on counting.
#pragma once

#include "engine/cuda/cascade.cuh"
#include "engine/cuda/context.cuh"

namespace optim::cuda {

// Not inlined: what a rule with many hyper-parameters computes needs more registers than the passes have left.
template <class Rule, class T>
__device__ __attribute__((noinline)) void store_scalars(CohortEntry& cohort, const GroupSettings& group, double t,
                                                        const InputFacts& inputs) {
  unsigned char* const bytes = cohort.scalars[sizeof(T) == sizeof(double)].bytes;
  *reinterpret_cast<ScalarsOf<Rule, T>*>(bytes) = prepared<Rule, T>(hypers_of<Rule>(group), t, inputs);
}

template <class Rule, class T>
__device__ void prepare_cohort(CohortEntry& cohort, const GroupSettings& group) {
  const double t = step_number(cohort);
  const bool given = cohort.inputs_given;
  const InputFacts inputs{given, static_cast<double>(cohort.counts.input_steps + (given ? 1 : 0))};
  cohort.lr = learning_rate<Rule>(hypers_of<Rule>(group), t);
  store_scalars<Rule, T>(cohort, group, t, inputs);
  if constexpr (sizeof(T) != sizeof(double) && (is_reduced<Rule> || has_measure<Rule> || has_init<Rule>)) {
    store_scalars<Rule, double>(cohort, group, t, inputs);  // what sums are closed with
  }
}

// After a change of settings or counts. One block.
template <class Rule, class T>
__global__ void __launch_bounds__(block_threads)
    prepare(CohortEntry* cohorts, const GroupSettings* groups, std::int32_t count) {
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < count; i += block_threads)
    prepare_cohort<Rule, T>(cohorts[i], groups[cohorts[i].group]);
}

// At the end of the last kernel of a step, by all blocks (step: of kept arguments); the last of them knows that nobody
// needs the old values.
template <class Rule, class T>
__device__ __attribute__((noinline)) void advance(const StepTables& step) {
  if (!arrive(&step.state->blocks_finished, 1, gridDim.x)) return;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < step.state->cohort_count; i += block_threads) {
    CohortEntry& cohort = step.cohorts[i];
    cohort.count_step(cohort.counts);
    if (cohort.present) prepare_cohort<Rule, T>(cohort, step.groups[cohort.group]);
  }
}

}  // namespace optim::cuda
