// The two steps of sharpness-aware minimization as functions of their own.
#include "abi/standalone.h"
#include "core/registry.h"

using namespace optim;
using namespace optim::abi;

optim_status optim_sam_perturb(optim_engine* engine, int64_t count, const optim_tensor* params,
                               const optim_tensor* grads, const optim_tensor* old_params, double rho, int32_t adaptive,
                               double perturb_eps, int32_t use_gc, double asam_eta) {
  return guarded([&] {
    const int rule = find_rule("sam_perturb");
    Standalone run(engine, rule, count, required(params, count, "params"), required(grads, count, "grads"));
    run.set_states(required(old_params, count, "old_params"), "old_params", true);
    run.set_hyper("rho", at_least("rho", rho, 0));
    run.set_hyper("adaptive", flag("adaptive", adaptive));
    if (at_least("perturb_eps", perturb_eps, 0) != 0) run.set_hyper("perturb_eps", perturb_eps);
    run.set_hyper("use_gc", flag("use_gc", use_gc));
    run.set_hyper("asam_eta", at_least("asam_eta", asam_eta, 0));
    run.run();
  });
}

optim_status optim_sam_restore(optim_engine* engine, int64_t count, const optim_tensor* params,
                               const optim_tensor* old_params) {
  return guarded([&] {
    Standalone run(engine, find_rule("sam_restore"), count, required(params, count, "params"), nullptr);
    run.set_states(required(old_params, count, "old_params"), "old_params", true);
    run.run();
  });
}
