// Not a learning rate but a value that follows one, such as the radius rho of GSAM: lr is what another schedule says
// for the step.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(max_value, range::at_least(0), "Value at max_lr.");
OPTIM_HYPER(min_value, range::at_least(0), "Value at min_lr.");

struct proportion {
  static constexpr const char* title = "Proportion";
  static constexpr const char* paper =
      "Zhuang et al.: Surrogate Gap Minimization Improves Sharpness-Aware Training (2022)";
  static constexpr const char* url = "https://arxiv.org/abs/2203.08065";
  static constexpr const char* summary =
      "A value on the line through (min_lr, min_value) and (max_lr, max_value), at the learning rate lr; the step is "
      "of no account.";

  static constexpr auto hypers =
      optim::hypers(lr = no_default, max_lr = no_default, min_lr = 0, max_value = 2, min_value = 2);

  template <class H>
  OPTIM_FN static double value(const H& h, double) {
    if (h[max_lr] <= h[min_lr]) return h[max_value];
    return schedule::line(h[min_value], h[max_value], (h[lr] - h[min_lr]) / (h[max_lr] - h[min_lr]));
  }
};

}  // namespace optim::schedules
