// The linear warm-up that Adam needs by its second moment alone: 2 / (1 - beta2) steps.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

struct untuned_linear_warmup {
  static constexpr const char* title = "Untuned linear warm-up";
  static constexpr const char* paper = "Ma, Yarats: On the Adequacy of Untuned Warmup for Adaptive Optimization (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/1910.04209";
  static constexpr const char* summary =
      "Rises linearly by the decay rate of the second moment: lr min(1, n (1 - beta2) / 2).";

  static constexpr auto hypers = optim::hypers(lr = no_default, beta2 = 0.999);

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    return h[lr] * schedule::smaller(1, n * (1 - h[beta2]) / 2);
  }
};

}  // namespace optim::schedules
