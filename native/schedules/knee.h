// The explore-exploit schedule ("knee"). Without warm-up it explores at once, and after the end it stays at min_lr,
// where the published code divides by zero and raises.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(warmup, range::closed(0, 1), "Share of the steps that warm up.");
OPTIM_HYPER(explore, range::closed(0, 1), "Share of the steps that stay at the highest learning rate.");

struct knee {
  static constexpr const char* title = "Knee";
  static constexpr const char* paper =
      "Iyer et al.: Wide-minima Density Hypothesis and the Explore-Exploit Learning Rate Schedule (2020)";
  static constexpr const char* url = "https://arxiv.org/abs/2003.03977";
  static constexpr const char* summary = "Rises linearly, explores at max_lr, then exploits along a line to min_lr.";

  static constexpr auto hypers = optim::hypers(max_lr = no_default, total_steps = no_default, min_lr = 0, init_lr = 0,
                                               warmup = 0, explore = no_default);

  template <class H>
  static constexpr const char* check(const H& h) {
    return h[warmup] + h[explore] <= 1 ? nullptr : "warmup + explore must be at most 1";
  }

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    const double s = n - 1;
    const double rising = std::floor(h[total_steps] * h[warmup]);
    const double explored = rising + std::floor(h[total_steps] * h[explore]);
    if (s < rising) return schedule::line(h[init_lr], h[max_lr], s / rising);
    if (s <= explored) return h[max_lr];
    return schedule::line(h[max_lr], h[min_lr], schedule::smaller(1, (s - explored) / (h[total_steps] - explored)));
  }
};

}  // namespace optim::schedules
