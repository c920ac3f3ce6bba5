// The schedule inside Ranger21 (arXiv 2106.13731), as its code has it: warm-up, plateau, warm-down.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

struct ranger21_schedule {
  static constexpr const char* title = "Ranger21's schedule";
  static constexpr const char* paper = "Wright, Demeure: Ranger21: a synergistic deep learning optimizer (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2106.13731";
  static constexpr const char* summary =
      "Rises linearly by the decay rate of the second moment, stays, and falls linearly over the last part of the "
      "training.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, num_iterations = no_default, beta2 = 0.999, num_warm_up_iterations = -1,
                    num_warm_down_iterations = -1, warm_down_min_lr = 3e-5);

  // 2 / (1 - beta2) steps, or 22% of a training that is too short for as many.
  template <class H>
  OPTIM_FN static double warm_up_steps(const H& h) {
    if (h[num_warm_up_iterations] >= 0) return h[num_warm_up_iterations];
    const double steps = std::ceil(2 / (1 - h[beta2]));
    return h[num_iterations] > 0 && steps / h[num_iterations] > 0.45 ? std::floor(0.22 * h[num_iterations]) : steps;
  }

  template <class H>
  OPTIM_FN static double warm_down_steps(const H& h) {
    if (h[num_warm_down_iterations] >= 0) return h[num_warm_down_iterations];
    return h[num_iterations] - std::floor(0.72 * h[num_iterations]);
  }

  // For any rule with these hyper-parameters too, on the host and on the device.
  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    const double up = warm_up_steps(h), down = warm_down_steps(h);
    const double start = h[num_iterations] - down;
    if (h[num_iterations] > 0 && n >= start) {  // also where the warm-up is not over
      const double share = schedule::smaller(1, schedule::larger(1, n + 1 - start) / (down + 1));
      return schedule::larger(h[warm_down_min_lr], schedule::line(h[lr], h[warm_down_min_lr], share));
    }
    return n < up ? h[lr] * n / up : h[lr];
  }
};

}  // namespace optim::schedules
