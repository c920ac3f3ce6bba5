// What a step does before its rule: moments of the gradients, and from them the maps of the helpers.
#pragma once

#include "core/tiling.h"
#include "engine/cpu/step_state.h"
#include "engine/engine.h"

namespace optim::cpu {

class Prelude {
 public:
  // The tensors that take part, as they are bound now.
  void rebind(StepState& state);

  // Reads the gradients and fills the step's facts. with_inputs: what the rule reads beside them is to be finite, too.
  void measure(StepState& state, bool with_inputs);
  // The maps of rows and tensors; updates AdaNorm's state. Only for a step that is not skipped.
  void compose(StepState& state);
  // Stable weight decay's sum over the second moment as it will be after the step: a dry run of the rule.
  void probe_second_moment(StepState& state);
  // The factors on the parameters.
  void decay(StepState& state);

 private:
  Tiling tiling_;
  std::vector<Moments> partials_;
  std::vector<double> probes_;
};

}  // namespace optim::cpu
