// Decay by a negative power of the steps since the warm-up, as GSAM's own schedule has it. (In pytorch_optimizer the
// sign of the exponent is reversed, and the learning rate grows.)
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(poly_order, range::above(0), "Exponent of the decay.");

struct poly {
  static constexpr const char* title = "Inverse power";
  static constexpr const char* paper =
      "Zhuang et al.: Surrogate Gap Minimization Improves Sharpness-Aware Training (2022)";
  static constexpr const char* url = "https://arxiv.org/abs/2203.08065";
  static constexpr const char* summary =
      "Rises linearly from init_lr to max_lr, then falls towards min_lr as (s - warmup_steps)^-poly_order.";

  static constexpr auto hypers = optim::hypers(max_lr = no_default, t_max = no_default, min_lr = 0, init_lr = 0,
                                               warmup_steps = 0, poly_order = 0.5);

  template <class H>
  static constexpr const char* check(const H& h) {
    return schedule::check_warm_up(h);
  }

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    const double s = n - 1;
    if (schedule::warms_up(h, s)) return schedule::warm_up(h, s);
    const double since = schedule::larger(1, s - h[warmup_steps]);
    return schedule::line(h[min_lr], h[max_lr], std::pow(since, -h[poly_order]));
  }
};

}  // namespace optim::schedules
