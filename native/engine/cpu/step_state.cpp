#include "engine/cpu/step_state.h"

#include <limits>

#include "core/codec.h"

namespace optim::cpu {
namespace {

double load_number(const Slot& slot, std::int64_t index) {
  switch (slot.layout.dtype) {
    case DType::f32:
      return static_cast<double>(static_cast<const float*>(slot.data)[index]);
    case DType::f64:
      return static_cast<const double*>(slot.data)[index];
    case DType::f16:
      return static_cast<double>(widen_f16(static_cast<const std::uint16_t*>(slot.data)[index]));
    case DType::bf16:
      return static_cast<double>(widen_bf16(static_cast<const std::uint16_t*>(slot.data)[index]));
  }
  return 0;
}

void store_number(const Slot& slot, std::int64_t index, double value) {
  switch (slot.layout.dtype) {
    case DType::f32:
      static_cast<float*>(slot.data)[index] = static_cast<float>(value);
      break;
    case DType::f64:
      static_cast<double*>(slot.data)[index] = value;
      break;
    case DType::f16:
      static_cast<std::uint16_t*>(slot.data)[index] = narrow_f16(static_cast<float>(value));
      break;
    case DType::bf16:
      static_cast<std::uint16_t*>(slot.data)[index] = narrow_bf16(static_cast<float>(value));
      break;
  }
}

// body(slot index, buffer, position of the row in it) for every slot of row, tensor or scalar shape.
template <class Body>
void for_unit_slots(const PlanTensor& tensor, const RuleInfo& rule, std::int64_t row, const Body& body) {
  for (int i = 0; i < static_cast<int>(rule.slots.size()); ++i) {
    const SlotShape shape = rule.slots[i].shape;
    const Slot* const slot = tensor.unit_state(rule, i);
    if (slot == nullptr) continue;
    body(i, *slot, shape == SlotShape::row || shape == SlotShape::unit ? row : std::int64_t{0});
  }
}

// Whether anything of a plan is stored in 16 bits.
bool widens(const Plan& plan) {
  const auto narrow = [](DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; };
  for (const PlanTensor& tensor : plan.tensors()) {
    if (narrow(tensor.param.dtype) || narrow(tensor.grad_dtype)) return true;
    for (const Slot& slot : tensor.slots) {
      if (narrow(slot.layout.dtype)) return true;
    }
  }
  return false;
}

}  // namespace

void load_unit_slots(const PlanTensor& tensor, const RuleInfo& rule, std::int64_t row, double* values) {
  for_unit_slots(tensor, rule, row,
                 [&](int i, const Slot& slot, std::int64_t at) { values[i] = load_number(slot, at); });
}

void store_unit_slots(const PlanTensor& tensor, const RuleInfo& rule, std::int64_t row, const double* values) {
  for_unit_slots(tensor, rule, row,
                 [&](int i, const Slot& slot, std::int64_t at) { store_number(slot, at, values[i]); });
}

StepState::StepState(const Plan& p, int thread_count)
    : plan(p),
      kernels(Kernels::for_this_processor()),
      threads(thread_count),
      in_double(p.in_double()),
      tile_length(widens(p) ? tile_widened : tile_in_place),
      scratch(static_cast<std::size_t>(thread_count)),
      tensors(p.tensors().size(), TensorMap::identity()) {
  facts.clip = 1;
}

MapStorage StepState::map(std::int32_t tensor, std::int64_t row) const {
  const CohortStep& cohort = cohorts[streams[tensor].cohort];
  if (!measured) return cohort.map;
  return make_map(cohort.group, rows[first_row[tensor] + (by_row ? row : 0)], tensors[tensor].scale);
}

MapStorage StepState::make_map(int group, const RowMap& row, double tensor_scale) const {
  const double clip =
      plan.helpers().clip_value > 0 ? plan.helpers().clip_value : std::numeric_limits<double>::infinity();
  MapStorage storage;
  if (in_double) {
    storage.in_double = gradient_map<double>(row, tensor_scale, facts, plan.options(group), unscale, clip);
  } else {
    storage.in_float = gradient_map<float>(row, tensor_scale, facts, plan.options(group), static_cast<float>(unscale),
                                           static_cast<float>(clip));
  }
  return storage;
}

void StepState::narrow_param(std::int32_t tensor, const void* wide, std::int64_t begin, std::int64_t count) const {
  const Stream& stored = streams[tensor].narrow_param;
  const auto* const values = static_cast<const float*>(wide);
  if (plan.storage().stochastic_rounding) {
    const RoundingDraws draws{plan.storage().rounding_seed,
                              static_cast<std::uint64_t>(cohorts[streams[tensor].cohort].made.steps),
                              static_cast<std::uint64_t>(tensor)};
    kernels.generic().round_bf16(values, static_cast<std::uint16_t*>(stored.data) + begin, begin, count, draws);
  } else {
    kernels.generic().narrow[static_cast<int>(stored.dtype)](values, static_cast<std::uint16_t*>(stored.data) + begin,
                                                             count);
  }
}

const void* StepState::scalars(std::int32_t tensor, bool as_double, ScalarBytes& room) const {
  const unsigned char* const shared = cohorts[streams[tensor].cohort].scalars[as_double].bytes;
  const auto specialize = rule().specialize[as_double];
  if (specialize == nullptr) return shared;
  const PlanTensor& t = plan.tensors()[tensor];
  std::memcpy(room.bytes, shared, rule().scalars_size[as_double]);
  double slots[max_slots] = {};
  load_unit_slots(t, rule(), 0, slots);
  specialize(room.bytes, slots,
             {t.param.extent, !cohorts[streams[tensor].cohort].counts.stepped, tensors[tensor].adanorm,
              t.view.dimensions != 0});
  return room.bytes;
}

}  // namespace optim::cpu
