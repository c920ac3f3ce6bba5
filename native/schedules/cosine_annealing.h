// SGDR without restarts: the closed form of torch.optim.lr_scheduler.CosineAnnealingLR, which stays at min_lr after
// t_max.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

struct cosine_annealing {
  static constexpr const char* title = "Cosine annealing";
  static constexpr const char* paper =
      "Loshchilov, Hutter: SGDR: Stochastic Gradient Descent with Warm Restarts (2017)";
  static constexpr const char* url = "https://arxiv.org/abs/1608.03983";
  static constexpr const char* summary = "Falls along half a cosine from lr to min_lr, reached after t_max steps.";

  static constexpr auto hypers = optim::hypers(lr = no_default, t_max = no_default, min_lr = 0);

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    return schedule::half_cosine(h[lr], h[min_lr], schedule::smaller(1, (n - 1) / h[t_max]));
  }
};

}  // namespace optim::schedules
