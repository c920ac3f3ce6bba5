#include "core/cost.h"

#include "core/plan.h"

namespace optim {
namespace {

std::uint64_t pass_bytes(const RuleInfo& rule, const PlanTensor& tensor, const Pass& pass) {
  const auto count = static_cast<std::uint64_t>(tensor.param.extent.count);
  std::uint64_t bytes = count * size_of(tensor.working_param().dtype) * (pass.reads_param + pass.writes_param);
  if (pass.writes_param && tensor.find(master_param_slot) != nullptr) bytes += tensor.param.bytes();
  bytes += count * size_of(tensor.grad_dtype) * pass.reads_grad;
  for (const Slot& slot : tensor.slots) {
    if (slot.rule_slot < 0 || slot.rule_slot == rule.slow_params) continue;
    const bool rests = slot.rule_slot == rule.alternating.resting || rule.slots[slot.rule_slot].role == Role::fixed;
    const bool written = pass.writes_state && !rests;
    bytes += slot.layout.bytes() * (pass.reads_slot(slot.rule_slot) + written);
  }
  for (const void* const input : tensor.inputs) {
    if (input != nullptr && pass.reads_inputs) bytes += count * size_of(tensor.grad_dtype);
  }
  return bytes;
}

// Bytes moved and kept, of one tensor.
struct TensorCost {
  double moved, kept;
};

TensorCost tensor_cost(const RuleInfo& rule, int rank) {
  const HyperRow hypers = default_hypers(rule);
  const HelperSettings helpers;
  const GroupOptions options = rule.group_options(hypers.data(), helpers);
  const std::int64_t shape[] = {cost_side, cost_side};
  PlanTensor tensor{};
  tensor.param = row_major(DType::f32, rank, shape);
  tensor.grad_dtype = DType::f32;
  tensor.inputs.assign(rule.inputs.size(), &tensor);  // bound: any address but null
  if (rule.shape == Shape::matrix) tensor.view = view_of(rule, hypers.data(), tensor.param);
  make_slots(rule, hypers.data(), helpers, DType::f32, &tensor);

  const PreludeReads reads{options.needs_moments(), options.needs_param_moments(), options.needs_second_moment()};
  std::uint64_t kept = 0;
  for (const Slot& slot : tensor.slots) kept += slot.layout.bytes();
  const auto bytes = static_cast<double>(tensor.param.bytes());
  const std::uint64_t moved = step_bytes(rule, hypers.data(), options, reads, tensor, cost_chip_bytes);
  return {static_cast<double>(moved) / bytes, static_cast<double>(kept) / bytes};
}

}  // namespace

std::uint64_t step_bytes(const RuleInfo& rule, const double* hypers, const GroupOptions& options,
                         const PreludeReads& reads, const PlanTensor& tensor, std::int64_t chip_bytes) {
  std::uint64_t bytes = 0;
  const bool looks_at_inputs = options.helpers.skip_nonfinite;
  if (reads.moments) bytes += pass_bytes(rule, tensor, {reads.param_moments, true, false, false, false, looks_at_inputs});
  if (reads.second_moment) bytes += pass_bytes(rule, tensor, rule.second_moment_pass(options.l2 != 0));
  if (reduces(rule, hypers, tensor.param)) {
    Pass gather = rule.reduction->gather_pass(hypers);
    const Pass apply = rule.reduction->apply_pass(hypers);
    if (stays_on_chip(rule, *rule.reduction, hypers, tensor, chip_bytes)) {
      gather |= apply;
    } else {
      bytes += pass_bytes(rule, tensor, apply);
    }
    bytes += pass_bytes(rule, tensor, gather);
  } else {
    bytes += pass_bytes(rule, tensor, rule.update_pass);
  }
  if (options.looks_ahead()) {  // reads and writes the slow weights
    bytes += 2 * tensor.slow_params(rule)->layout.bytes() / static_cast<std::uint64_t>(options.helpers.lookahead_k);
  }
  return bytes;
}

DefaultCost default_cost(const RuleInfo& rule) {
  const TensorCost vector = tensor_cost(rule, 1);
  const TensorCost matrix = tensor_cost(rule, 2);
  return {vector.moved, matrix.moved, vector.kept, matrix.kept};
}

}  // namespace optim
