// The two passes of a reduced rule, or of an initialization, over the tensors that they reduce.
#pragma once

#include <functional>

#include "core/plan.h"
#include "engine/cuda/device.h"
#include "engine/cuda/device_tiling.h"
#include "engine/cuda/pass.cuh"
#include "engine/cuda/rule_table.h"

namespace optim::cuda {

class ReducedPass {
 public:
  // reduces(tensor) decides which tensors take part at all.
  ReducedPass(const Plan& plan, const Reduction& reduction, const CudaReduction& kernels, const Device& device,
              const std::function<bool(const PlanTensor&)>& reduces);

  std::int64_t tiles() const { return tiling_.tiles(); }

  void run(const Device& device, const StepTables& tables) const;
  // Of a matrix rule: sums its measure, with the workspaces that `pass` names; the result has the factors.
  ReducedArrays sum(const Device& device, const PassArguments& pass) const;
  // Runs the first pass alone, for one number per tile.
  void probe(const Device& device, const StepTables& tables, double* output) const;

 private:
  PassArguments arguments(const StepTables& tables) const;
  void finish(const Device& device, const PassArguments& arguments) const;

  const CudaReduction& kernels_;
  int precision_;
  DeviceTiling tiling_;
  DeviceArray<double> partials_, units_, spans_, tensors_, all_;
  DeviceArray<unsigned char> factors_;
};

}  // namespace optim::cuda
