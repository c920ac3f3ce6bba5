// REX, from its first step on; peers lose the first value in their constructors.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

struct rex {
  static constexpr const char* title = "REX";
  static constexpr const char* paper =
      "Chen, Wolfe, Kyrillidis: REX: Revisiting Budgeted Training with an Improved Schedule (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2107.04197";
  static constexpr const char* summary =
      "Falls from max_lr to min_lr by reflected exponential decay: (1 - z) / (1 - z / 2), z = s / total_steps.";

  static constexpr auto hypers = optim::hypers(max_lr = no_default, total_steps = no_default, min_lr = 0);

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    const double z = schedule::smaller(1, (n - 1) / h[total_steps]);
    return schedule::line(h[min_lr], h[max_lr], (1 - z) / (1 - z / 2));
  }
};

}  // namespace optim::schedules
