// The two plans of sharpness-aware minimization around the parameters and gradients of a session.
#pragma once

#include "session.h"

namespace optim_test {

class Sharpness {
 public:
  // One row for each group: rho, adaptive, perturb_eps, use_gc, asam_eta; shorter rows are completed with defaults.
  Sharpness(Engine& engine, Session& session, const std::vector<std::vector<double>>& rows);

  void perturb();  // with the gradients that the session has now
  void restore();

  optim_plan* perturbing() const { return plans_[0].get(); }
  Buffer& old(size_t tensor) { return *old_[tensor]; }

 private:
  struct Free {
    void operator()(optim_plan* plan) const { optim_plan_free(plan); }
  };
  Session& session_;
  std::vector<std::unique_ptr<Buffer>> old_;
  std::unique_ptr<optim_plan, Free> plans_[2];  // perturb, restore; after the buffers they are bound to
};

}  // namespace optim_test
