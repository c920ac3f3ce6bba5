// torch.optim.lr_scheduler.StepLR.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(step_size, range::integer(1), "Number of steps between two decays.");

struct step {
  static constexpr const char* title = "Step";
  static constexpr const char* paper = "He et al.: Deep Residual Learning for Image Recognition (2016)";
  static constexpr const char* url = "https://arxiv.org/abs/1512.03385";
  static constexpr const char* summary = "Falls by the factor gamma every step_size steps.";

  static constexpr auto hypers = optim::hypers(lr = no_default, step_size = no_default, gamma = 0.1);

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    return h[lr] * std::pow(h[gamma], std::floor((n - 1) / h[step_size]));
  }
};

}  // namespace optim::schedules
