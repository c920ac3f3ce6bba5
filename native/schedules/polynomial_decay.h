// The "poly" policy of DeepLab, with a linear warm-up.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(power, range::above(0), "Exponent of the decay; 1 is a line.");

struct polynomial_decay {
  static constexpr const char* title = "Polynomial decay";
  static constexpr const char* paper =
      "Chen et al.: DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, and Fully "
      "Connected "
      "CRFs (2017)";
  static constexpr const char* url = "https://arxiv.org/abs/1606.00915";
  static constexpr const char* summary =
      "Rises linearly from init_lr to max_lr, then falls to min_lr as (1 - z)^power.";

  static constexpr auto hypers =
      optim::hypers(max_lr = no_default, t_max = no_default, min_lr = 0, init_lr = 0, warmup_steps = 0, power = 1);

  template <class H>
  static constexpr const char* check(const H& h) {
    return schedule::check_warm_up(h);
  }

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    const double s = n - 1;
    if (schedule::warms_up(h, s)) return schedule::warm_up(h, s);
    return schedule::line(h[min_lr], h[max_lr], std::pow(1 - schedule::decayed(h, s), h[power]));
  }
};

}  // namespace optim::schedules
