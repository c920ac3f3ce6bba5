// What the second moments of all parameters will be after the step: stable weight decay divides by it before the step.
// A pass that runs the rule but stores nothing sums it.
#pragma once

#include "engine/cuda/pass.cuh"

namespace optim::cuda {

// Whether a pass does not step but sums. Constant for rules that have no second moment.
template <class Rule>
__device__ __forceinline__ bool is_probe(const PassArguments& arguments) {
  return Traits<Rule>::second_moment >= 0 && arguments.probe != nullptr;
}

// What it loads.
template <class Rule>
__device__ __forceinline__ Pass probe_pass(const GroupSettings& group) {
  constexpr int slot = Traits<Rule>::second_moment;
  if constexpr (slot >= 0) {
    return second_moment_pass(slot, SlotsOf<Rule>::template role<slot>(), group.options.l2 != 0);
  } else {
    return {};
  }
}

// The corrected second moment, and how many elements have one.
using ProbeSums = Sums<2>;

struct ProbeMerging {
  const PassArguments& arguments;

  __device__ ProbeSums* values() const { return reinterpret_cast<ProbeSums*>(arguments.probe); }
  __device__ ProbeSums* nodes() const { return values() + arguments.tiling.tile_count; }

  __device__ void merge(const Node& node, std::int32_t index) const {
    const ProbeSums sums = merge_children(values(), node);
    if (threadIdx.x == 0) nodes()[index] = sums;
  }

  __device__ void merge_all() const {
    const ProbeSums all = merge_block(merge_strided(nodes(), static_cast<std::int64_t>(threadIdx.x),
                                                    arguments.step.tensor_count, std::int64_t{block_threads}));
    if (threadIdx.x != 0) return;
    arguments.step.state->facts.second_moment = all.value[0];
    arguments.step.state->facts.count = all.value[1];
  }

  // Of a tensor that takes no part.
  __device__ __forceinline__ void leave_out(std::int32_t tensor) const {
    if (threadIdx.x == 0) nodes()[tensor] = ProbeSums{};
  }
};

template <class Rule, class T>
__device__ __forceinline__ void store_probe(const StateChunk<Rule, T>& state, const Position& at, std::int64_t tile,
                                            const TensorEntry& tensor, const PassArguments& arguments) {
  constexpr int slot = Traits<Rule>::second_moment;
  ProbeSums sums{};
  if constexpr (slot >= 0) {
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j < at.count) sums.value[0] += static_cast<double>(state.value[slot][j]);
    }
  }
  sums.value[1] = at.count;
  sums = merge_block(sums);
  if (threadIdx.x != 0) return;
  const GroupOptions& options = arguments.step.groups[tensor.group].options;
  sums.value[0] = corrected_second_moment(sums.value[0], options.beta2, step_number(cohort_of(arguments.step, tensor)));
  ProbeMerging{arguments}.values()[tile] = sums;
}

}  // namespace optim::cuda
