#include "abi/standalone.h"

#include <algorithm>
#include <cmath>

#include "core/registry.h"

namespace optim::abi {

int standalone_rule() {
  const std::vector<RuleInfo>& rules = registry();
  const auto found =
      std::find_if(rules.begin(), rules.end(), [](const RuleInfo& rule) { return rule.writes_gradient; });
  if (found == rules.end()) throw Error(Status::internal, "this build has no rule for standalone helpers");
  return static_cast<int>(found - rules.begin());
}

const optim_tensor* required(const optim_tensor* tensors, int64_t count, const char* name) {
  if (tensors == nullptr && count != 0) invalid(name, " is NULL");
  static const optim_tensor none{};
  return tensors != nullptr ? tensors : &none;  // never read: count is 0
}

double positive(const char* name, double value) {
  if (!(value > 0) || std::isinf(value)) invalid(name, " is ", value, "; allowed is a finite number above 0");
  return value;
}

double or_default(const char* name, double value, double otherwise) {
  return at_least(name, value, 0) == 0 ? otherwise : value;
}

Standalone::Standalone(optim_engine* engine, int rule, int64_t count, const optim_tensor* params,
                       const optim_tensor* grads)
    : engine_(*require(engine, "engine").engine), has_params_(params != nullptr), has_grads_(grads != nullptr) {
  description_.rule = rule;
  description_.hypers = {default_hypers(registry()[static_cast<std::size_t>(rule)])};
  description_.standalone = true;
  const char* const name = has_params_ ? "params" : "grads";
  const std::vector<optim_tensor> tensors = read_tensors(has_params_ ? params : grads, count, name);
  const bool both = has_params_ && has_grads_;
  const std::vector<optim_tensor> paired = both ? read_tensors(grads, count, "grads") : tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) add(i, tensors[i], paired[i], name, both);
}

void Standalone::add(std::size_t i, const optim_tensor& tensor, const optim_tensor& grad, const char* name, bool both) {
  const auto index = static_cast<std::int64_t>(i);
  const Name what(name, index);
  const Layout layout = layout_of(tensor, what);
  const Layout grad_layout = both ? layout_of(grad, Name("grads", index)) : layout;
  const DType state = layout.dtype == DType::f64 ? DType::f64 : DType::f32;
  description_.tensors.push_back({layout, grad_layout.dtype, state, 0});
  if (both) check_shape(i, grad_layout, "grads");
  if (layout.extent.count > 0 && tensor.data == nullptr) invalid(what, ".data is NULL");
  if (layout.extent.count > 0 && grad.data == nullptr) invalid("grads[", i, "].data is NULL");
  params_.push_back(has_params_ ? tensor.data : nullptr);
  grads_.push_back(has_grads_ ? grad.data : nullptr);
}

void Standalone::check_shape(std::size_t i, const Layout& layout, const char* name) const {
  if (!layout.agrees_with(description_.tensors[i].param)) {
    invalid(name, "[", i, "] and params[", i, "] differ in shape or strides; they must agree");
  }
}

void Standalone::set_hyper(const char* name, double value) {
  const RuleInfo& rule = registry()[static_cast<std::size_t>(description_.rule)];
  description_.hypers[0][static_cast<std::size_t>(rule.hyper_index(name))] = value;
}

void Standalone::set_states(const optim_tensor* states, const char* name, bool copies) {
  const std::vector<optim_tensor> tensors = read_tensors(states, static_cast<int64_t>(params_.size()), name);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Layout layout = layout_of(tensors[i], Name(name, static_cast<std::int64_t>(i)));
    check_shape(i, layout, name);
    const DType param = description_.tensors[i].param.dtype;
    if (copies && layout.dtype != param) {
      invalid(name, "[", i, "] is ", name_of(layout.dtype), " and params[", i, "] ", name_of(param),
              "; they must agree");
    }
    if (!copies) description_.tensors[i].state_dtype = layout.dtype;
    states_.push_back(tensors[i].data);
  }
}

void Standalone::run(const StepInputs& inputs, int64_t step) {
  plan_ = std::make_unique<Plan>(engine_, std::move(description_));
  plan_->bind(params_.data(), grads_.data(), states_.empty() ? nullptr : states_.data());
  plan_->set_counts(std::vector<StepCounts>(plan_->tensors().size(), {step - 1, 0, step > 1}));
  plan_->step(inputs);
}

}  // namespace optim::abi
