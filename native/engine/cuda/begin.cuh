// The first kernel of a step that belongs to the rule: decides whether the step is skipped, advances the counters, and
// prepares the scalars of every group. One block.
#pragma once

#include "engine/cuda/pass.cuh"

namespace optim::cuda {

struct BeginArguments {
  StepTables step;
  const float* found_inf;  // null: 0
  float* overflow;         // null: nobody asks
  bool skip_nonfinite;
  const Moments* spans;  // of the gradients; null without moments
  std::int64_t span_count;
  bool advance;  // false: prepare for step 1 and count nothing (initialization)
};

// Not inlined: what a rule with many hyper-parameters computes in both arithmetics at once does not fit into registers.
template <class Rule, class T>
__device__ __attribute__((noinline)) void store_scalars(GroupEntry& group, double t, const InputFacts& inputs) {
  unsigned char* const bytes = group.scalars[sizeof(T) == sizeof(double)].bytes;
  *reinterpret_cast<ScalarsOf<Rule, T>*>(bytes) = prepared<Rule, T>(hypers_of<Rule>(group), t, inputs);
}

template <class Rule>
__device__ void prepare_group(GroupEntry& group, std::int64_t step, bool inputs_given) {
  const double t = static_cast<double>(step);
  if (inputs_given) ++group.input_steps;
  const InputFacts inputs{inputs_given, static_cast<double>(group.input_steps)};
  group.lr = learning_rate<Rule>(hypers_of<Rule>(group), t);
  store_scalars<Rule, float>(group, t, inputs);
  store_scalars<Rule, double>(group, t, inputs);
}

// Facts of the unscaled gradients, and whether they are fit for a step. By one thread.
__device__ inline bool decide(const BeginArguments& arguments, const Moments& all) {
  const StepTables& step = arguments.step;
  GlobalFacts facts{};
  facts.clip = 1;
  if (arguments.spans != nullptr) begin_global(facts, all, step.settings);
  step.state->facts = facts;
  if (arguments.found_inf != nullptr && *arguments.found_inf != 0) return true;
  const bool infinite = facts.nonfinite > 0;
  if (infinite && arguments.overflow != nullptr) *arguments.overflow = 1;
  return infinite && arguments.skip_nonfinite;
}

template <class Rule>
__global__ void __launch_bounds__(block_threads) begin(BeginArguments arguments) {
  const StepTables& step = arguments.step;
  const int thread = static_cast<int>(threadIdx.x);
  if (arguments.advance) {
    Moments all{};
    if (arguments.spans != nullptr) {
      all = merge_block(merge_strided(arguments.spans, thread, arguments.span_count, std::int64_t{block_threads}));
    }
    OPTIM_SHARED(skip, bool);
    if (thread == 0) {
      skip = decide(arguments, all);
      step.state->skip = skip ? 1 : 0;
    }
    __syncthreads();
    if (skip) return;
  } else if (thread == 0) {
    step.state->skip = 0;
  }
  for (int i = thread; i < step.group_count; i += block_threads) {
    GroupEntry& group = step.groups[i];
    if (arguments.advance) ++group.step;
    prepare_group<Rule>(group, arguments.advance ? group.step : 1, arguments.advance && group.settings.inputs_given);
  }
  if (!arguments.advance) return;
  __syncthreads();
  for (int i = thread; i < step.tensor_count; i += block_threads) {
    const TensorEntry& tensor = step.tensors[i];
    if (step.first_step[i] == never_stepped && takes_part(step, tensor))
      step.first_step[i] = step.groups[tensor.group].step;
  }
}

}  // namespace optim::cuda
