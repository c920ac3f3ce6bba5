// Step counts belong to tensors: a count advances when its tensor is stepped. Tensors of one group with equal counts that
// take part alike are a cohort, and what `prepare` makes of hyper-parameters and count is worked out once for each.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "core/config.h"

namespace optim {

struct StepCounts {
  std::int64_t steps = 0;
  std::int64_t input_steps = 0;  // of those, the ones at which the rule's inputs were given
  bool stepped = false;          // a step has changed the tensor
};

// What the tensors of a cohort have in common.
struct Cohort {
  std::int32_t group;
  bool present;              // they have gradients
  bool by_group;             // steps count without gradients, too
  bool inputs_given;         // the rule's inputs are bound
  std::int32_t origin = -1;  // the cohort that they come from, where only the device knows their counts
  StepCounts counts{};       // theirs where origin is -1

  bool takes_part_like(const Cohort& other) const {
    return present == other.present && inputs_given == other.inputs_given;
  }

  OPTIM_FN void count_step(StepCounts& made) const {
    if (!present && !by_group) return;
    ++made.steps;
    if (inputs_given) ++made.input_steps;
    if (present) made.stepped = true;
  }

  auto key() const {
    return std::make_tuple(group, present, by_group, inputs_given, origin, counts.steps, counts.input_steps,
                           counts.stepped);
  }
};

struct Cohorts {
  std::vector<std::int32_t> of_tensor;
  std::vector<Cohort> all;

  Cohorts() = default;
  // describe(index) -> Cohort, of each of so many tensors.
  template <class Describe>
  Cohorts(std::size_t tensors, const Describe& describe) {
    std::map<decltype(Cohort{}.key()), std::int32_t> found;
    of_tensor.reserve(tensors);
    for (std::size_t i = 0; i < tensors; ++i) {
      const Cohort cohort = describe(i);
      const bool same = i > 0 && all[of_tensor.back()].key() == cohort.key();
      const std::int32_t index =
          same ? of_tensor.back() : found.emplace(cohort.key(), static_cast<std::int32_t>(all.size())).first->second;
      if (index == static_cast<std::int32_t>(all.size())) all.push_back(cohort);
      of_tensor.push_back(index);
    }
  }

  const Cohort& of(std::size_t tensor) const { return all[of_tensor[tensor]]; }
};

}  // namespace optim
