#include "engine/cuda/reduced_pass.h"

namespace optim::cuda {
namespace {

DeviceTiling tiling_of(const Plan& plan, const Reduction& reduction, const Device& device,
                       const std::function<bool(const PlanTensor&)>& reduces) {
  Tiling tiling(tile_length);
  for (const PlanTensor& tensor : plan.tensors()) {
    const bool part = reduces(tensor);
    tiling.add_units(tensor.param.extent.count, part ? plan.unit_length(tensor, reduction) : 1, part);
  }
  return DeviceTiling(tiling, device.stream);
}

}  // namespace

ReducedPass::ReducedPass(const Plan& plan, const Reduction& reduction, const CudaReduction& kernels,
                         const Device& device, const std::function<bool(const PlanTensor&)>& reduces)
    : kernels_(kernels),
      precision_(plan.in_double() ? 1 : 0),
      tiling_(tiling_of(plan, reduction, device, reduces)),
      partials_(tiling_.partials() * reduction.sum_count),
      units_(tiling_.units() * reduction.sum_count),
      spans_(tiling_.spans() * reduction.sum_count),
      tensors_(tiling_.tensors() * reduction.sum_count),
      all_(reduction.sum_count),
      factors_(tiling_.units() * static_cast<std::int64_t>(kernels.factors_size[precision_])) {}

PassArguments ReducedPass::arguments(const StepTables& tables) const {
  PassArguments a{};
  a.step = tables;
  a.tiling = tiling_.view();
  a.reduced = {partials_.data(), units_.data(), spans_.data(), tensors_.data(), all_.data(), factors_.data()};
  return a;
}

void ReducedPass::run(const Device& device, const StepTables& tables) const {
  if (tiling_.tiles() == 0) return;
  const PassArguments a = arguments(tables);
  const LaunchOn tiles{device.stream, device.blocks(tiling_.tiles())};
  kernels_.gather[precision_](tiles, a);
  finish(device, a);
  kernels_.apply[precision_](tiles, a);
}

ReducedArrays ReducedPass::sum(const Device& device, const PassArguments& pass) const {
  PassArguments a = arguments(pass.step);
  a.prepared = pass.prepared;
  a.direction = pass.direction;
  if (tiling_.tiles() > 0) {
    kernels_.gather[precision_]({device.stream, device.blocks(tiling_.tiles())}, a);
    finish(device, a);
  }
  return a.reduced;
}

// From partial sums to factors.
void ReducedPass::finish(const Device& device, const PassArguments& a) const {
  const LaunchOn tile_warps{device.stream, device.blocks((tiling_.tiles() + block_warps - 1) / block_warps)};
  const LaunchOn spans{device.stream, device.blocks(tiling_.spans())};
  const LaunchOn tensor_warps{device.stream, device.blocks((tiling_.tensors() + block_warps - 1) / block_warps)};
  kernels_.fold(tile_warps, a);
  kernels_.close_units(spans, a);
  kernels_.close_tensors(tensor_warps, a);
  if (kernels_.close_all != nullptr) kernels_.close_all({device.stream, 1}, a);
  kernels_.finish[precision_](spans, a);
}

void ReducedPass::probe(const Device& device, const StepTables& tables, double* output) const {
  PassArguments a = arguments(tables);
  a.probe = output;
  kernels_.gather[precision_]({device.stream, device.blocks(tiling_.tiles())}, a);
}

}  // namespace optim::cuda
