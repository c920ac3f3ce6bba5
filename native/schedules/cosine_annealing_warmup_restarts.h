// SGDR whose cycles begin with a linear warm-up and whose peaks shrink. Without warm-up it starts at max_lr.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(first_cycle_steps, range::integer(1), "Number of steps of the first cycle, its warm-up included.");
OPTIM_HYPER(cycle_mult, range::at_least(1),
            "Factor from the length of a cycle, without its warm-up, to that of the next.");

struct cosine_annealing_warmup_restarts {
  static constexpr const char* title = "Cosine annealing with warm-up and restarts";
  static constexpr const char* paper =
      "Loshchilov, Hutter: SGDR: Stochastic Gradient Descent with Warm Restarts (2017)";
  static constexpr const char* url = "https://arxiv.org/abs/1608.03983";
  static constexpr const char* summary =
      "Cycles of a line from min_lr to max_lr gamma^c and half a cosine back, which may grow in length and shrink in "
      "height.";

  static constexpr auto hypers = optim::hypers(max_lr = no_default, first_cycle_steps = no_default, min_lr = 0,
                                               warmup_steps = 0, cycle_mult = 1, gamma = 1);

  template <class H>
  static constexpr const char* check(const H& h) {
    return h[warmup_steps] < h[first_cycle_steps] ? nullptr : "warmup_steps must be less than first_cycle_steps";
  }

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    const double w = h[warmup_steps];
    double s = n - 1, length = h[first_cycle_steps], cycle = 0;
    while (s >= length) {
      const double next = std::floor((length - w) * h[cycle_mult]) + w;
      const double cycles = next == length ? std::floor(s / length) : 1;  // all at once where they no longer grow
      s -= cycles * length;
      cycle += cycles;
      length = next;
    }
    const double top = h[max_lr] * std::pow(h[gamma], cycle);
    if (s < w) return schedule::line(h[min_lr], top, s / w);
    return schedule::half_cosine(top, h[min_lr], (s - w) / (length - w));
  }
};

}  // namespace optim::schedules
