// What a step does in front of the rule: measures the gradients, in one launch.
#pragma once

#include <vector>

#include "core/plan.h"
#include "engine/cuda/device.h"
#include "engine/cuda/device_cascade.h"
#include "engine/cuda/device_tiling.h"
#include "engine/engine.h"

namespace optim::cuda {

class Prelude {
 public:
  explicit Prelude(const Plan& plan) : plan_(plan) {}

  // Makes room for what the plan's settings and hyper-parameters ask for; `measures`: for moments in any case.
  void configure(const Device& device, bool measures);
  bool measures() const { return now_.measures; }

  // Fills in the members that tell passes about maps.
  void describe(StepTables& tables) const;

  // Queues the kernel.
  void measure(const Device& device, const StepTables& tables, const StepInputs& inputs) const;

  std::vector<Moments> row_moments(const Device& device) const;  // of tensors with a gradient; waits

 private:
  // What room there is for.
  struct Wants {
    bool measures = false, maps_tensors = false, by_row = false;

    bool operator==(const Wants& other) const {
      return measures == other.measures && maps_tensors == other.maps_tensors && by_row == other.by_row;
    }
  };

  const Plan& plan_;
  Wants now_;
  Tiling host_tiling_;
  DeviceTiling tiling_;
  DeviceCascade cascade_;
  DeviceArray<Moments> units_, values_, mapped_;
  DeviceArray<TensorMap> maps_;
};

}  // namespace optim::cuda
