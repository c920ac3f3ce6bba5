// The exponential warm-up that Adam needs by its second moment alone.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

struct untuned_exponential_warmup {
  static constexpr const char* title = "Untuned exponential warm-up";
  static constexpr const char* paper = "Ma, Yarats: On the Adequacy of Untuned Warmup for Adaptive Optimization (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/1910.04209";
  static constexpr const char* summary =
      "Rises exponentially by the decay rate of the second moment: lr (1 - exp(-n (1 - beta2))).";

  static constexpr auto hypers = optim::hypers(lr = no_default, beta2 = 0.999);

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    return h[lr] * -std::expm1(-n * (1 - h[beta2]));
  }
};

}  // namespace optim::schedules
