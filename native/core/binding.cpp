// How pointers come into a plan: checked as a whole, then taken over as a whole.
#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/plan.h"
#include "engine/engine.h"

namespace optim {

std::string Plan::what(const Interval& interval) const {
  if (interval.slot == Interval::param) return message("params[", interval.tensor, "]");
  if (interval.slot == Interval::grad) return message("grads[", interval.tensor, "]");
  if (interval.slot <= Interval::first_input) {
    return message(rule_.slots[rule_.inputs[Interval::first_input - interval.slot]].name, " of params[",
                   interval.tensor, "]");
  }
  return message("state ", tensors_[interval.tensor].slots[interval.slot].name, " of params[", interval.tensor, "]");
}

// Names are built only for what is refused: there may be tens of thousands of buffers.
void Plan::check_pointer(const void* data, const Layout& layout, DType dtype, const Interval& where) const {
  const std::uint64_t bytes = static_cast<std::uint64_t>(layout.extent.count) * size_of(dtype);
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  if (bytes > std::numeric_limits<std::uintptr_t>::max() - address) {
    invalid(what(where), " is at address ", data, ", and its ", bytes,
            " bytes reach beyond the end of the address space");
  }
  if (address % size_of(dtype) != 0 || !engine_.owns_address(data))
    engine_.check_address(what(where).c_str(), data, size_of(dtype));
}

std::vector<Plan::Interval> Plan::written_intervals(const std::vector<void*>& params, const std::vector<void*>& grads,
                                                    const std::vector<void*>& states) const {
  std::vector<Interval> intervals;
  const auto add = [&](const void* data, std::uint64_t bytes, std::size_t tensor, int slot) {
    const auto begin = reinterpret_cast<std::uintptr_t>(data);
    if (data != nullptr && bytes > 0) intervals.push_back({begin, begin + bytes, tensor, slot});
  };
  std::size_t state = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    add(params[i], tensors_[i].param.bytes(), i, Interval::param);
    if (rule_.writes_gradient) add(grads[i], grad_bytes(i), i, Interval::grad);
    for (std::size_t k = 0; k < tensors_[i].slots.size(); ++k) {
      add(states[state++], tensors_[i].slots[k].layout.bytes(), i, static_cast<int>(k));
    }
  }
  std::sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < intervals.size(); ++i) {
    if (intervals[i].begin < intervals[i - 1].end)
      invalid(what(intervals[i]), " overlaps ", what(intervals[i - 1]), "; buffers must not");
  }
  return intervals;
}

std::uint64_t Plan::grad_bytes(std::size_t tensor) const {
  return static_cast<std::uint64_t>(tensors_[tensor].param.extent.count) * size_of(tensors_[tensor].grad_dtype);
}

void Plan::check_gradient(const Interval& where, const void* data, const std::vector<Interval>& intervals) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const auto end = begin + grad_bytes(where.tensor);
  const auto after =
      std::upper_bound(intervals.begin(), intervals.end(), begin,
                       [](std::uintptr_t address, const Interval& interval) { return address < interval.end; });
  if (after != intervals.end() && after->begin < end) {
    invalid(what(where), " overlaps ", what(*after), "; buffers must not");
  }
}

bool Plan::is_bound(void* const* params, void* const* grads, void* const* states) const {
  std::size_t state = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const bool empty = tensors_[i].param.extent.count == 0;
    if (params != nullptr && (params[i] != tensors_[i].param_data || (params[i] == nullptr && !empty))) return false;
    if (grads != nullptr && grads[i] != tensors_[i].grad_data) return false;
    for (const Slot& slot : tensors_[i].slots) {
      if (states == nullptr) break;
      const void* const data = states[state++];
      if (data != slot.data || (data == nullptr && slot.layout.extent.count > 0)) return false;
    }
  }
  return true;
}

void Plan::bind(void* const* params, void* const* grads, void* const* states) {
  if (!stale_ && is_bound(params, grads, states)) return;
  std::vector<void*> new_params, new_grads, new_states;
  bool owned_changed = false;
  new_params.reserve(tensors_.size());
  new_grads.reserve(tensors_.size());
  std::size_t state = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const PlanTensor& tensor = tensors_[i];
    const bool empty = tensor.param.extent.count == 0;
    new_params.push_back(params != nullptr ? params[i] : tensor.param_data);
    new_grads.push_back(grads != nullptr ? grads[i] : tensor.grad_data);
    if (params != nullptr && params[i] == nullptr && !empty && !tensor.standalone) invalid("params[", i, "] is NULL");
    if (new_params[i] != tensor.param_data) {
      check_pointer(new_params[i], tensor.param, tensor.param.dtype, {0, 0, i, Interval::param});
      owned_changed = true;
    }
    if (new_grads[i] != tensor.grad_data && new_grads[i] != nullptr) {
      check_pointer(new_grads[i], tensor.param, tensor.grad_dtype, {0, 0, i, Interval::grad});
    }
    for (std::size_t k = 0; k < tensor.slots.size(); ++k) {
      const Slot& slot = tensor.slots[k];
      new_states.push_back(states != nullptr ? states[state++] : slot.data);
      const Interval where{0, 0, i, static_cast<int>(k)};
      if (states != nullptr && new_states.back() == nullptr && slot.layout.extent.count > 0)
        invalid(what(where), " is NULL");
      if (new_states.back() == slot.data) continue;
      check_pointer(new_states.back(), slot.layout, slot.layout.dtype, where);
      owned_changed = true;
    }
  }

  const bool written_changed = owned_changed || rule_.writes_gradient;
  std::vector<Interval> intervals;
  if (written_changed) intervals = written_intervals(new_params, new_grads, new_states);
  for (std::size_t i = 0; i < tensors_.size() && !rule_.writes_gradient; ++i) {
    const bool check = new_grads[i] != nullptr && (owned_changed || new_grads[i] != tensors_[i].grad_data);
    if (check) check_gradient({0, 0, i, Interval::grad}, new_grads[i], written_changed ? intervals : intervals_);
  }
  for (std::size_t i = 0; i < tensors_.size() && owned_changed; ++i) {
    for (std::size_t k = 0; k < tensors_[i].inputs.size(); ++k) {
      const Interval where{0, 0, i, Interval::first_input - static_cast<int>(k)};
      if (tensors_[i].inputs[k] != nullptr) check_gradient(where, tensors_[i].inputs[k], intervals);
    }
  }
  exchange(new_params, new_grads, new_states);
  if (written_changed) intervals_.swap(intervals);
  complete_ = false;
  try {
    rebind();
  } catch (...) {
    exchange(new_params, new_grads, new_states);
    if (written_changed) intervals_.swap(intervals);
    throw;
  }
}

void Plan::bind_inputs(void* const* inputs) {
  const std::size_t per_tensor = rule_.inputs.size();
  if (per_tensor == 0) invalid(rule_.name, " has no inputs to bind");
  bool changed = false;
  std::vector<std::vector<void*>> bound(tensors_.size());
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    bound[i].assign(inputs + i * per_tensor, inputs + (i + 1) * per_tensor);
    for (std::size_t k = 0; k < per_tensor; ++k) {
      if (bound[i][k] == tensors_[i].inputs[k]) continue;
      changed = true;
      if (bound[i][k] == nullptr) continue;
      const Interval where{0, 0, i, Interval::first_input - static_cast<int>(k)};
      check_pointer(bound[i][k], tensors_[i].param, tensors_[i].grad_dtype, where);
      check_gradient(where, bound[i][k], intervals_);
    }
  }
  if (!changed) return;
  for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].inputs.swap(bound[i]);
  try {
    rebind();
  } catch (...) {
    for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].inputs.swap(bound[i]);
    throw;
  }
}

// The pointers of the plan change places with the given ones.
void Plan::exchange(std::vector<void*>& params, std::vector<void*>& grads, std::vector<void*>& states) {
  std::size_t state = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    std::swap(tensors_[i].param_data, params[i]);
    std::swap(tensors_[i].grad_data, grads[i]);
    for (Slot& slot : tensors_[i].slots) std::swap(slot.data, states[state++]);
  }
}

// An executor that could not take over the pointers, for want of memory, is asked again before the next step.
void Plan::rebind() {
  stale_ = true;
  std::fill(inputs_given_.begin(), inputs_given_.end(), char{0});
  for (const PlanTensor& tensor : tensors_) {
    const auto bound = [](const void* data) { return data != nullptr; };
    if (tensor.present()) inputs_given_[tensor.group] |= std::any_of(tensor.inputs.begin(), tensor.inputs.end(), bound);
  }
  executor_->rebind();
  stale_ = false;
}

void Plan::check_states() {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const PlanTensor& tensor = tensors_[i];
    if (tensor.param.extent.count == 0) continue;
    if (tensor.param_data == nullptr && !tensor.standalone) invalid("params[", i, "] is not bound");
    for (const Slot& slot : tensor.slots) {
      if (slot.data == nullptr && slot.layout.extent.count > 0)
        invalid("state ", slot.name, " of params[", i, "] is not bound");
    }
  }
  complete_ = true;
}

}  // namespace optim
