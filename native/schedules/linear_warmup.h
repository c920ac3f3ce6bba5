// Gradual warm-up. The value of the first step is not 0.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

struct linear_warmup {
  static constexpr const char* title = "Linear warm-up";
  static constexpr const char* paper =
      "Goyal et al.: Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour (2017)";
  static constexpr const char* url = "https://arxiv.org/abs/1706.02677";
  static constexpr const char* summary = "Rises linearly, then stays: lr min(1, n / warmup_steps).";

  static constexpr auto hypers = optim::hypers(lr = no_default, warmup_steps = no_default);

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    return n < h[warmup_steps] ? h[lr] * (n / h[warmup_steps]) : h[lr];
  }
};

}  // namespace optim::schedules
