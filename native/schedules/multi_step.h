// torch.optim.lr_scheduler.MultiStepLR.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(milestones, range::integer(0), "Numbers of steps after which the learning rate falls, in any order.");

struct multi_step {
  static constexpr const char* title = "Multi-step";
  static constexpr const char* paper = "He et al.: Deep Residual Learning for Image Recognition (2016)";
  static constexpr const char* url = "https://arxiv.org/abs/1512.03385";
  static constexpr const char* summary = "Falls by the factor gamma at every milestone.";

  static constexpr auto hypers = optim::hypers(lr = no_default, gamma = 0.1, milestones = no_default);

  template <class H>
  OPTIM_FN static double value(const H& h, const HyperList& list, double n) {
    double passed = 0;
    for (std::int64_t i = 0; i < list.count; ++i) passed += list.values[i] <= n - 1 ? 1 : 0;
    return h[lr] * std::pow(h[gamma], passed);
  }
};

}  // namespace optim::schedules
