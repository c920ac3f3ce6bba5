// Linear warm-up and cosine decay.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

struct cosine {
  static constexpr const char* title = "Cosine";
  static constexpr const char* paper =
      "Loshchilov, Hutter: SGDR: Stochastic Gradient Descent with Warm Restarts (2017)";
  static constexpr const char* url = "https://arxiv.org/abs/1608.03983";
  static constexpr const char* summary =
      "Rises linearly from init_lr to max_lr, then falls along half a cosine to min_lr.";

  static constexpr auto hypers =
      optim::hypers(max_lr = no_default, t_max = no_default, min_lr = 0, init_lr = 0, warmup_steps = 0);

  template <class H>
  static constexpr const char* check(const H& h) {
    return schedule::check_warm_up(h);
  }

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    const double s = n - 1;
    if (schedule::warms_up(h, s)) return schedule::warm_up(h, s);
    return schedule::half_cosine(h[max_lr], h[min_lr], schedule::decayed(h, s));
  }
};

}  // namespace optim::schedules
