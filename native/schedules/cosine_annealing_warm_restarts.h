// SGDR, as torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(t_0, range::integer(1), "Number of steps of the first cycle.");
OPTIM_HYPER(t_mult, range::integer(1), "Factor from the length of a cycle to that of the next.");

struct cosine_annealing_warm_restarts {
  static constexpr const char* title = "Cosine annealing with warm restarts";
  static constexpr const char* paper =
      "Loshchilov, Hutter: SGDR: Stochastic Gradient Descent with Warm Restarts (2017)";
  static constexpr const char* url = "https://arxiv.org/abs/1608.03983";
  static constexpr const char* summary =
      "Falls along half a cosine from lr to min_lr again and again, in cycles that may grow.";

  static constexpr auto hypers = optim::hypers(lr = no_default, t_0 = no_default, t_mult = 1, min_lr = 0);

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    double s = n - 1, length = h[t_0];
    if (h[t_mult] == 1) s = std::fmod(s, length);
    for (; s >= length; length *= h[t_mult]) s -= length;
    return schedule::half_cosine(h[lr], h[min_lr], s / length);
  }
};

}  // namespace optim::schedules
