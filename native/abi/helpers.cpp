// Each helper as a function of its own: a step of the rule that does nothing, with that one helper on.
#include <algorithm>
#include <cmath>
#include <limits>

#include "abi/standalone.h"
#include "core/registry.h"

using namespace optim;
using namespace optim::abi;

optim_status optim_unscale(optim_engine* engine, int64_t count, const optim_tensor* grads, const float* grad_scale,
                           float* found_inf) {
  return guarded([&] {
    Standalone run(engine, standalone_rule(), count, nullptr, required(grads, count, "grads"));
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
    Standalone run(engine, standalone_rule(), count, nullptr, required(grads, count, "grads"));
    run.helpers().clip_value = positive("clip_value", clip_value);
    run.run();
  });
}

optim_status optim_clip_grad_norm(optim_engine* engine, int64_t count, const optim_tensor* grads, double max_norm,
                                  double norm_type, double eps, double* norm) {
  return guarded([&] {
    Standalone run(engine, standalone_rule(), count, nullptr, required(grads, count, "grads"));
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

optim_status optim_agc(optim_engine* engine, int64_t count, const optim_tensor* params, const optim_tensor* grads,
                       double clip_val, double agc_eps, double division_eps) {
  return guarded([&] {
    Standalone run(engine, standalone_rule(), count, required(params, count, "params"),
                   required(grads, count, "grads"));
    HelperSettings& helpers = run.helpers();
    helpers.agc_clip_val = positive("clip_val", clip_val);
    helpers.agc_eps = or_default("agc_eps", agc_eps, helpers.agc_eps);
    helpers.agc_division_eps = or_default("division_eps", division_eps, helpers.agc_division_eps);
    run.run();
  });
}

optim_status optim_centralize(optim_engine* engine, int64_t count, const optim_tensor* grads, int32_t conv_only) {
  return guarded([&] {
    Standalone run(engine, standalone_rule(), count, nullptr, required(grads, count, "grads"));
    run.helpers().centralize = true;
    run.helpers().centralize_conv_only = flag("conv_only", conv_only);
    run.run();
  });
}

optim_status optim_normalize(optim_engine* engine, int64_t count, const optim_tensor* grads, int32_t channels,
                             double eps) {
  return guarded([&] {
    Standalone run(engine, standalone_rule(), count, nullptr, required(grads, count, "grads"));
    HelperSettings& helpers = run.helpers();
    helpers.normalize = true;
    helpers.normalize_channels = flag("channels", channels);
    helpers.normalize_eps = or_default("eps", eps, helpers.normalize_eps);
    run.run();
  });
}

optim_status optim_norm_loss(optim_engine* engine, int64_t count, const optim_tensor* params, double lr, double factor,
                             double eps) {
  return guarded([&] {
    Standalone run(engine, standalone_rule(), count, required(params, count, "params"), nullptr);
    HelperSettings& helpers = run.helpers();
    run.set_hyper("lr", at_least("lr", lr, 0));
    helpers.norm_loss_factor = positive("factor", factor);
    helpers.norm_loss_eps = or_default("eps", eps, helpers.norm_loss_eps);
    run.run();
  });
}

optim_status optim_stable_weight_decay(optim_engine* engine, int64_t count, const optim_tensor* params,
                                       const optim_tensor* exp_avg_sqs, double lr, double weight_decay, double beta2,
                                       int64_t step, double* rms) {
  return guarded([&] {
    Standalone run(engine, standalone_rule(), count, required(params, count, "params"), nullptr);
    run.set_states(exp_avg_sqs, "exp_avg_sqs");
    run.set_hyper("lr", at_least("lr", lr, 0));
    // To the rule 0 means that there are no moments; the smallest number corrects as 0 does, by exactly 1.
    run.set_hyper("beta2", std::max(at_least("beta2", beta2, 0), std::numeric_limits<double>::min()));
    run.helpers().stable_weight_decay = positive("weight_decay", weight_decay);
    if (step < 1) invalid("step is ", step, "; allowed is 1 or more");
    run.run({}, step);
    if (rms == nullptr) return;
    const GlobalFacts facts = run.executor().global_facts();
    *rms = second_moment_rms(facts.second_moment, facts.count);
  });
}

optim_status optim_lookahead(optim_engine* engine, int64_t count, const optim_tensor* params,
                             const optim_tensor* slow_params, double alpha) {
  return guarded([&] {
    Standalone run(engine, standalone_rule(), count, required(params, count, "params"), nullptr);
    run.set_states(slow_params, "slow_params");
    run.helpers().lookahead_k = 1;
    run.helpers().lookahead_alpha = at_least("alpha", alpha, 0);
    if (alpha > 1) invalid("alpha is ", alpha, "; allowed is [0, 1]");
    run.run();
  });
}

optim_status optim_softplus(optim_engine* engine, int64_t count, const optim_tensor* tensors, double beta) {
  return guarded([&] {
    Standalone run(engine, find_rule("softplus"), count, required(tensors, count, "tensors"), nullptr);
    if (at_least("beta", beta, 0) != 0) run.set_hyper("beta_softplus", positive("beta", beta));
    run.run();
  });
}

optim_status optim_unit_norm(optim_engine* engine, const optim_tensor* tensor, double* norms) {
  return guarded([&] {
    require(tensor, "tensor");
    require(norms, "norms");
    Standalone run(engine, standalone_rule(), 1, tensor, nullptr);
    const Layout layout = layout_of(read_struct(tensor, "tensor"), "tensor");
    run.helpers().norm_loss_factor = 1;  // takes the norms of the rows; with lr = 0 the parameter stays as it is
    run.run();
    std::fill_n(norms, layout.extent.rows, 0.0);
    const std::vector<Moments> rows = run.executor().row_moments();
    for (std::size_t i = 0; i < rows.size(); ++i) norms[i] = std::sqrt(rows[i].param_sq);
  });
}
