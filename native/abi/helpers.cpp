// Each helper as a function of its own: a plan of the rule that does nothing, with that one helper on.
#include <algorithm>
#include <cmath>

#include "abi/boundary.h"
#include "core/registry.h"

using namespace optim;
using namespace optim::abi;

namespace {

int standalone_rule() {
  const std::vector<RuleInfo>& rules = registry();
  const auto found = std::find_if(rules.begin(), rules.end(), [](const RuleInfo& rule) { return !rule.listed; });
  if (found == rules.end()) throw Error(Status::internal, "this build has no rule for standalone helpers");
  return static_cast<int>(found - rules.begin());
}

// One application of helpers, to gradients, parameters or both.
class Standalone {
 public:
  Standalone(optim_engine* engine, int64_t count, const optim_tensor* params, const optim_tensor* grads)
      : engine_(*require(engine, "engine").engine), has_params_(params != nullptr), has_grads_(grads != nullptr) {
    description_.rule = standalone_rule();
    const RuleInfo& rule = registry()[static_cast<std::size_t>(description_.rule)];
    description_.hypers.resize(1);
    for (std::size_t i = 0; i < rule.hypers.size(); ++i) description_.hypers[0][i] = rule.hypers[i].default_value;
    description_.standalone = true;
    const char* const name = has_params_ ? "params" : "grads";
    const std::vector<optim_tensor> tensors = read_tensors(has_params_ ? params : grads, count, name);
    const bool both = has_params_ && has_grads_;
    const std::vector<optim_tensor> paired = both ? read_tensors(grads, count, "grads") : tensors;
    for (std::size_t i = 0; i < tensors.size(); ++i) add(i, tensors[i], paired[i], name, both);
  }

  HelperSettings& helpers() { return description_.helpers; }

  void set_hyper(const char* name, double value) {
    const RuleInfo& rule = registry()[static_cast<std::size_t>(description_.rule)];
    description_.hypers[0][static_cast<std::size_t>(rule.hyper_index(name))] = value;
  }

  // states: of all tensors, one per tensor, or empty.
  void run(const StepInputs& inputs = {}, int64_t step = 1, const std::vector<void*>& states = {}) {
    plan_ = std::make_unique<Plan>(engine_, std::move(description_));
    plan_->bind(params_.data(), grads_.data(), states.empty() ? nullptr : states.data());
    plan_->executor().set_step_count(0, step - 1);
    plan_->step(inputs);
  }

  void set_state_dtypes(const std::vector<optim_tensor>& states, const char* name) {
    for (std::size_t i = 0; i < states.size(); ++i) {
      const Layout layout = layout_of(states[i], message(name, "[", i, "]"));
      check_shape(i, layout, name);
      description_.state_dtypes[i] = layout.dtype;
    }
  }

  Executor& executor() { return plan_->executor(); }
  Engine& engine() { return engine_; }

 private:
  void check_shape(std::size_t i, const Layout& layout, const char* name) const {
    const Layout& param = description_.params[i];
    if (layout.rank != param.rank || layout.shape != param.shape || layout.row_major != param.row_major) {
      invalid(name, "[", i, "] and params[", i, "] differ in shape or strides; they must agree");
    }
  }

  void add(std::size_t i, const optim_tensor& tensor, const optim_tensor& grad, const char* name, bool both) {
    const std::string what = message(name, "[", i, "]");
    const Layout layout = layout_of(tensor, what);
    const Layout grad_layout = both ? layout_of(grad, message("grads[", i, "]")) : layout;
    description_.params.push_back(layout);
    if (both) check_shape(i, grad_layout, "grads");
    if (layout.extent.count > 0 && tensor.data == nullptr) invalid(what, ".data is NULL");
    if (layout.extent.count > 0 && grad.data == nullptr) invalid("grads[", i, "].data is NULL");
    description_.param_data.push_back(nullptr);
    description_.grad_dtypes.push_back(grad_layout.dtype);
    description_.state_dtypes.push_back(layout.dtype == DType::f64 ? DType::f64 : DType::f32);
    description_.groups.push_back(0);
    params_.push_back(has_params_ ? tensor.data : nullptr);
    grads_.push_back(has_grads_ ? grad.data : nullptr);
  }

  Engine& engine_;
  bool has_params_, has_grads_;
  PlanDescription description_{};
  std::vector<void*> params_, grads_;
  std::unique_ptr<Plan> plan_;
};

double positive(const char* name, double value) {
  if (!(value > 0) || std::isinf(value)) invalid(name, " is ", value, "; allowed is a finite number above 0");
  return value;
}

double or_default(const char* name, double value, double otherwise) {
  return at_least(name, value, 0) == 0 ? otherwise : value;
}

std::vector<void*> buffers_of(const std::vector<optim_tensor>& tensors) {
  std::vector<void*> buffers;
  for (const optim_tensor& tensor : tensors) buffers.push_back(tensor.data);
  return buffers;
}

const optim_tensor* required(const optim_tensor* tensors, int64_t count, const char* name) {
  if (tensors == nullptr && count != 0) invalid(name, " is NULL");
  static const optim_tensor none{};
  return tensors != nullptr ? tensors : &none;  // never read: count is 0
}

}  // namespace

optim_status optim_unscale(optim_engine* engine, int64_t count, const optim_tensor* grads, const float* grad_scale, float* found_inf) {
  return guarded([&] {
    Standalone run(engine, count, nullptr, required(grads, count, "grads"));
    require(grad_scale, "grad_scale");
    require(found_inf, "found_inf");
    run.engine().check_address("grad_scale", grad_scale, sizeof(float));
    run.engine().check_address("found_inf", found_inf, sizeof(float));
    StepInputs inputs;
    inputs.grad_scale = grad_scale;
    inputs.overflow = found_inf;
    run.run(inputs);
  });
}

optim_status optim_clip_grad_value(optim_engine* engine, int64_t count, const optim_tensor* grads, double clip_value) {
  return guarded([&] {
    Standalone run(engine, count, nullptr, required(grads, count, "grads"));
    run.helpers().clip_value = positive("clip_value", clip_value);
    run.run();
  });
}

optim_status optim_clip_grad_norm(optim_engine* engine, int64_t count, const optim_tensor* grads, double max_norm, double norm_type,
                                  double eps, double* norm) {
  return guarded([&] {
    Standalone run(engine, count, nullptr, required(grads, count, "grads"));
    HelperSettings& helpers = run.helpers();
    helpers.clip_norm = positive("max_norm", max_norm);
    helpers.clip_norm_type = norm_type == 0 ? 2 : norm_type;
    if (norm_type != 0 && norm_type != 1 && norm_type != 2 && !(std::isinf(norm_type) && norm_type > 0)) {
      invalid("norm_type is ", norm_type, "; allowed are 1, 2 and infinity (0: 2)");
    }
    helpers.clip_norm_eps = or_default("eps", eps, helpers.clip_norm_eps);
    run.run();
    if (norm != nullptr) *norm = run.executor().global_facts().norm;
  });
}

optim_status optim_agc(optim_engine* engine, int64_t count, const optim_tensor* params, const optim_tensor* grads, double clip_val,
                       double agc_eps, double division_eps) {
  return guarded([&] {
    Standalone run(engine, count, required(params, count, "params"), required(grads, count, "grads"));
    HelperSettings& helpers = run.helpers();
    helpers.agc_clip_val = positive("clip_val", clip_val);
    helpers.agc_eps = or_default("agc_eps", agc_eps, helpers.agc_eps);
    helpers.agc_division_eps = or_default("division_eps", division_eps, helpers.agc_division_eps);
    run.run();
  });
}

optim_status optim_centralize(optim_engine* engine, int64_t count, const optim_tensor* grads, int32_t conv_only) {
  return guarded([&] {
    Standalone run(engine, count, nullptr, required(grads, count, "grads"));
    if (conv_only != 0 && conv_only != 1) invalid("conv_only is ", conv_only, "; allowed are 0 and 1");
    run.helpers().centralize = true;
    run.helpers().centralize_conv_only = conv_only == 1;
    run.run();
  });
}

optim_status optim_normalize(optim_engine* engine, int64_t count, const optim_tensor* grads, int32_t channels, double eps) {
  return guarded([&] {
    Standalone run(engine, count, nullptr, required(grads, count, "grads"));
    if (channels != 0 && channels != 1) invalid("channels is ", channels, "; allowed are 0 and 1");
    HelperSettings& helpers = run.helpers();
    helpers.normalize = true;
    helpers.normalize_channels = channels == 1;
    helpers.normalize_eps = or_default("eps", eps, helpers.normalize_eps);
    run.run();
  });
}

optim_status optim_norm_loss(optim_engine* engine, int64_t count, const optim_tensor* params, double lr, double factor, double eps) {
  return guarded([&] {
    Standalone run(engine, count, required(params, count, "params"), nullptr);
    HelperSettings& helpers = run.helpers();
    run.set_hyper("lr", at_least("lr", lr, 0));
    helpers.norm_loss_factor = positive("factor", factor);
    helpers.norm_loss_eps = or_default("eps", eps, helpers.norm_loss_eps);
    run.run();
  });
}

optim_status optim_stable_weight_decay(optim_engine* engine, int64_t count, const optim_tensor* params, const optim_tensor* exp_avg_sqs,
                                       double lr, double weight_decay, double beta2, int64_t step, double* rms) {
  return guarded([&] {
    Standalone run(engine, count, required(params, count, "params"), nullptr);
    const std::vector<optim_tensor> states = read_tensors(exp_avg_sqs, count, "exp_avg_sqs");
    run.set_state_dtypes(states, "exp_avg_sqs");
    run.set_hyper("lr", at_least("lr", lr, 0));
    run.set_hyper("beta2", positive("beta2", beta2));
    run.helpers().stable_weight_decay = positive("weight_decay", weight_decay);
    if (step < 1) invalid("step is ", step, "; allowed is 1 or more");
    run.run({}, step, buffers_of(states));
    if (rms == nullptr) return;
    const GlobalFacts facts = run.executor().global_facts();
    *rms = second_moment_rms(facts.second_moment, 1 - power(beta2, static_cast<double>(step)), facts.count);
  });
}

optim_status optim_lookahead(optim_engine* engine, int64_t count, const optim_tensor* params, const optim_tensor* slow_params,
                             double alpha) {
  return guarded([&] {
    Standalone run(engine, count, required(params, count, "params"), nullptr);
    const std::vector<optim_tensor> slow = read_tensors(slow_params, count, "slow_params");
    run.set_state_dtypes(slow, "slow_params");
    run.helpers().lookahead_k = 1;
    run.helpers().lookahead_alpha = at_least("alpha", alpha, 0);
    if (alpha > 1) invalid("alpha is ", alpha, "; allowed is [0, 1]");
    run.run({}, 1, buffers_of(slow));
  });
}

optim_status optim_unit_norm(optim_engine* engine, const optim_tensor* tensor, double* norms) {
  return guarded([&] {
    require(tensor, "tensor");
    require(norms, "norms");
    Standalone run(engine, 1, tensor, nullptr);
    const Layout layout = layout_of(read_struct(tensor, "tensor"), "tensor");
    run.helpers().norm_loss_factor = 1;  // takes the norms of the rows; with lr = 0 the parameter stays as it is
    run.run();
    std::fill_n(norms, layout.extent.rows, 0.0);
    const std::vector<Moments> rows = run.executor().row_moments();
    for (std::size_t i = 0; i < rows.size(); ++i) norms[i] = std::sqrt(rows[i].param_sq);
  });
}
