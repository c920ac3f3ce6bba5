// What a step does in front of the rule: measures the gradients and composes the helpers' maps.
#pragma once

#include <vector>

#include "core/plan.h"
#include "engine/cuda/device.h"
#include "engine/cuda/device_tiling.h"
#include "engine/cuda/rule_table.h"

namespace optim::cuda {

struct StageArguments;

class Prelude {
 public:
  explicit Prelude(const Plan& plan) : plan_(plan) {}

  // Makes room for what the plan's settings and hyper-parameters ask for; `measures`: for moments in any case.
  void configure(const Device& device, bool measures);
  bool measures() const { return measures_; }
  bool maps() const { return maps_; }

  // Fills in the members that tell passes about maps.
  void describe(StepTables& tables) const;

  // Each queues kernels. Between the first two comes the kernel that begins the step.
  void measure(const Device& device, const StepTables& tables) const;
  const Moments* spans() const { return measures_ ? spans_.data() : nullptr; }
  std::int64_t span_count() const { return measures_ ? spans_.count() : 0; }
  void compose(const Device& device, const StepTables& tables) const;
  void finish_decay(const Device& device, const StepTables& tables, const DeviceArray<double>& probes) const;

  std::vector<Moments> row_moments(const Device& device) const;  // of tensors with a gradient; waits

 private:
  StageArguments arguments(const StepTables& tables) const;

  const Plan& plan_;
  bool measures_ = false, maps_ = false, by_row_ = false;
  Tiling host_tiling_;
  DeviceTiling tiling_;
  DeviceArray<Moments> partials_, units_, spans_;
  DeviceArray<RowMap> rows_;
  DeviceArray<TensorMap> tensor_maps_;
};

}  // namespace optim::cuda
