#include "core/plan_tensor.h"

#include <algorithm>

#include "core/error.h"

namespace optim {
namespace {

// Matrices and numbers per row or tensor are few and sensitive: 16-bit states keep them in F32.
DType unit_dtype(DType state) { return state == DType::f64 ? DType::f64 : DType::f32; }

}  // namespace

const Slot* PlanTensor::find(int rule_slot, int dimension, std::int64_t block) const {
  if (rule_slot < 0) {
    const auto found =
        std::find_if(slots.begin(), slots.end(), [&](const Slot& slot) { return slot.rule_slot == rule_slot; });
    return found != slots.end() ? &*found : nullptr;
  }
  const std::int32_t first = first_slot[static_cast<std::size_t>(rule_slot)];
  if (first < 0) return nullptr;
  const std::int64_t index = first + block * view.count() + view.position(dimension);
  return &slots[static_cast<std::size_t>(index)];
}

ElementBuffer PlanTensor::element_buffer(const RuleInfo& rule, int rule_slot) const {
  for (std::size_t i = 0; i < rule.inputs.size(); ++i) {
    if (rule.inputs[i] == rule_slot) return {inputs[i], grad_dtype};
  }
  const SlotShape shape = rule.slots[rule_slot].shape;
  const bool per_element =
      shape == SlotShape::param || shape == SlotShape::copy || (shape == SlotShape::unit && param.extent.rank < 2);
  const Slot* const slot = per_element && rule_slot != rule.slow_params ? find(rule_slot) : nullptr;
  return slot == nullptr ? ElementBuffer{nullptr, DType::f32} : ElementBuffer{slot->data, slot->layout.dtype};
}

const Slot* PlanTensor::unit_state(const RuleInfo& rule, int rule_slot) const {
  const SlotShape shape = rule.slots[rule_slot].shape;
  const bool per_unit = shape == SlotShape::row || shape == SlotShape::tensor || shape == SlotShape::scalar ||
                        (shape == SlotShape::unit && param.extent.rank >= 2);
  return per_unit ? find(rule_slot) : nullptr;
}

ElementBuffer PlanTensor::working_param() const {
  const Slot* const master = find(master_param_slot);
  return master != nullptr ? ElementBuffer{master->data, master->layout.dtype} : stored_param();
}

const Slot* PlanTensor::slow_params(const RuleInfo& rule) const {
  const Slot* const own = rule.slow_params >= 0 ? find(rule.slow_params) : nullptr;
  return own != nullptr ? own : find(slow_params_slot);
}

MatrixView view_of(const RuleInfo& rule, const double* hypers, const Layout& param) {
  if (param.extent.count == 0) return {};  // no elements, no matrices
  if (rule.view == nullptr) return whole_view(param.rank, param.shape.data());
  return rule.view(hypers, param.rank, param.shape.data());
}

void make_slots(const RuleInfo& rule, const double* hypers, const HelperSettings& helpers, DType state_dtype,
                PlanTensor* made) {
  PlanTensor& tensor = *made;
  const Layout& param = tensor.param;
  const auto add = [&](std::string name, const Layout& layout, Initial initial, int rule_slot, int dimension = 0,
                       std::int64_t block = 0) {
    tensor.slots.push_back({std::move(name), layout, initial, rule_slot, dimension, block, nullptr});
  };
  Layout like_param = param;
  like_param.dtype = state_dtype;
  std::array<std::int64_t, max_rank> one_per_row{};
  one_per_row.fill(1);
  one_per_row[0] = param.rank > 0 ? param.shape[0] : 1;
  if (param.extent.count == 0) one_per_row[0] = 0;  // there is nothing to keep of rows without elements
  const std::int64_t one = 1;

  tensor.first_slot.fill(-1);
  for (int i = 0; i < static_cast<int>(rule.slots.size()); ++i) {
    const SlotInfo& slot = rule.slots[i];
    if (!rule.slot_exists(i, hypers) || !rule.is_state(i)) continue;
    const auto first = static_cast<std::int32_t>(tensor.slots.size());
    SlotShape shape = slot.shape;
    if (shape == SlotShape::unit) shape = param.rank >= 2 ? SlotShape::row : SlotShape::param;
    const DType dtype = unit_dtype(state_dtype);
    switch (shape) {
      case SlotShape::param:
        add(slot.name, like_param, slot.initial, i);
        break;
      case SlotShape::copy:
        add(slot.name, param, slot.initial, i);
        break;
      case SlotShape::row:
        add(slot.name, row_major(dtype, std::max(param.rank, 1), one_per_row.data()), slot.initial, i);
        break;
      case SlotShape::tensor:
        add(slot.name, row_major(dtype, 1, &one), slot.initial, i);
        break;
      case SlotShape::unit:
      case SlotShape::scalar:
        add(slot.name, row_major(dtype, 0, &one), slot.initial, i);
        break;
      case SlotShape::matrix:
        break;
    }
    for (std::int64_t q = 0; shape == SlotShape::matrix && tensor.view.dimensions != 0 && q < tensor.view.blocks();
         ++q) {
      const MatrixBlock block = tensor.view.block_at(q);
      for (int j = 0; j < tensor.view.rank; ++j) {
        if (!tensor.view.has(j)) continue;
        const std::int64_t square[] = {block.size[j], block.size[j]};
        std::string name = rule.view != nullptr ? message(slot.name, "_", q, "_", j) : message(slot.name, "_", j);
        add(std::move(name), row_major(dtype, 2, square), slot.initial, i, j, q);
      }
    }
    if (tensor.slots.size() > static_cast<std::size_t>(first)) tensor.first_slot[static_cast<std::size_t>(i)] = first;
  }
  if (helpers.lookahead_k > 0 && tensor.slow_params(rule) == nullptr) {
    add("slow_params", like_param, Initial::param, slow_params_slot);
  }
  if (helpers.lookahead_k > 0 && helpers.pullback == Pullback::pullback) {
    add("slow_momentum", like_param, Initial::zero, slow_momentum_slot);
  }
}

void add_master_param(std::size_t index, PlanTensor* tensor) {
  const DType dtype = tensor->param.dtype;
  if (dtype == DType::f32) return;
  if (dtype == DType::f64) {
    invalid("params[", index, "] is F64; master_weights is allowed for F16 and BF16, beside F32");
  }
  Layout master = tensor->param;
  master.dtype = DType::f32;
  tensor->slots.push_back({"master_param", master, Initial::param, master_param_slot, 0, 0});
}

std::int64_t unit_length(const Reduction& reduction, const double* hypers, const Layout& param) {
  if (reduction.unit_length != nullptr) return reduction.unit_length(hypers, param);
  return reduction.scope == Scope::row ? param.extent.row_length : param.extent.count;
}

bool reduces(const RuleInfo& rule, const double* hypers, const Layout& param) {
  const Reduction* const reduction = rule.reduction;
  if (reduction == nullptr || param.rank < reduction->reduced_rank) return false;
  return reduction->unit_length == nullptr || unit_length(*reduction, hypers, param) > 1;
}

bool stays_on_chip(const RuleInfo& rule, const Reduction& reduction, const double* hypers, const PlanTensor& tensor,
                   std::int64_t chip_bytes) {
  if (reduction.scope == Scope::all) return false;
  const std::int64_t count = tensor.param.extent.count;
  std::size_t bytes = size_of(tensor.working_param().dtype) + size_of(tensor.grad_dtype) * (1 + rule.inputs.size());
  for (const Slot& slot : tensor.slots) {
    if (slot.rule_slot >= 0 && slot.layout.extent.count == count) bytes += size_of(slot.layout.dtype);
  }
  const std::int64_t together = reduction.rows_alone ? unit_length(reduction, hypers, tensor.param) : count;
  return together <= chip_bytes / static_cast<std::int64_t>(bytes);
}

}  // namespace optim
