// Fractal schedule of Chebyshev steps. It is stable over whole cycles of a power of two steps. offset = 2 visits them
// as pytorch_optimizer does.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(small_m, range::above(0), "Lower bound of the curvature, relative.");
OPTIM_HYPER(big_m, range::above(0), "Upper bound of the curvature, relative.");
OPTIM_HYPER(offset, range::integer(0), "Number of steps by which the schedule begins later.");

struct chebyshev {
  static constexpr const char* title = "Chebyshev";
  static constexpr const char* paper = "Agarwal, Goel, Zhang: Acceleration via Fractal Learning Rate Schedules (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2103.01338";
  static constexpr const char* summary =
      "Steps of Chebyshev's iteration in fractal order: lr / ((M + m) / 2 - (M - m) / 2 cos((j + 1/2) pi / T)).";

  static constexpr auto hypers =
      optim::hypers(lr = no_default, total_steps = no_default, small_m = 0.1, big_m = 1, offset = 0);

  template <class H>
  static constexpr const char* check(const H& h) {
    return h[small_m] <= h[big_m] ? nullptr : "small_m must be at most big_m";
  }

  // Entry `index` of the fractal permutation of 2^levels numbers: from [0], every doubling replaces each a by the pair
  // a, 2 length - 1 - a. The bits of the index, highest first, say which of the pair it descends from.
  OPTIM_FN static double fractal(std::int64_t index, int levels) {
    double a = 0, length = 1;
    for (int level = levels - 1; level >= 0; --level) {
      length *= 2;
      if ((index >> level & 1) != 0) a = length - 1 - a;
    }
    return a;
  }

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    constexpr double pi = 3.14159265358979323846;
    int levels = 0;
    double cycle = 1;
    for (; cycle < h[total_steps]; cycle *= 2) ++levels;
    const double at = schedule::smaller(schedule::larger(n - 1 - h[offset], 0), cycle - 1);
    const double j = fractal(static_cast<std::int64_t>(at), levels);
    const double m = h[small_m], M = h[big_m];
    return h[lr] / ((M + m) / 2 - (M - m) / 2 * std::cos((j + 0.5) * pi / cycle));
  }
};

}  // namespace optim::schedules
