// Warm-up, stable, decay. min_lr_ratio holds for every kind of cool-down (in pytorch_optimizer for "cosine" only).
// "1-sqrt" is the cool-down of Hagele et al. (arXiv 2405.18392).
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

OPTIM_HYPER(num_warmup_steps, range::integer(0), "Number of steps that rise.");
OPTIM_HYPER(num_stable_steps, range::integer(0), "Number of steps that stay.");
OPTIM_HYPER(num_decay_steps, range::integer(0), "Number of steps that fall.");
OPTIM_HYPER(min_lr_ratio, range::closed(0, 1), "Learning rate at the end, as a share of lr.");
OPTIM_HYPER(num_cycles, range::at_least(0), "Cosine cool-down: number of periods that it falls along.");
OPTIM_HYPER(cooldown_type, range::one_of("1-sqrt", "cosine", "linear", "1-square"), "Shape of the fall.");

struct wsd {
  static constexpr const char* title = "WSD";
  static constexpr const char* paper =
      "Hu et al.: MiniCPM: Unveiling the Potential of Small Language Models with Scalable Training Strategies (2024)";
  static constexpr const char* url = "https://arxiv.org/abs/2404.06395";
  static constexpr const char* summary = "Rises linearly to lr, stays, and falls to min_lr_ratio lr at last.";

  static constexpr auto hypers =
      optim::hypers(lr = no_default, num_warmup_steps = no_default, num_stable_steps = no_default,
                    num_decay_steps = no_default, min_lr_ratio = 0, num_cycles = 0.5, cooldown_type = 0);

  enum Cooldown { one_minus_sqrt, cosine, linear, one_minus_square };

  // From 1 at z = 0; to 0 at z = 1, but for a cosine of another number of periods.
  template <class H>
  OPTIM_FN static double cooled(const H& h, double z) {
    constexpr double pi = 3.14159265358979323846;
    switch (static_cast<int>(h[cooldown_type])) {
      case cosine:
        return schedule::larger(0, (1 + std::cos(2 * pi * h[num_cycles] * z)) / 2);
      case linear:
        return 1 - z;
      case one_minus_square:
        return 1 - z * z;
      default:
        return 1 - std::sqrt(z);
    }
  }

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    const double s = n - 1, since = s - h[num_warmup_steps] - h[num_stable_steps];
    if (s < h[num_warmup_steps]) return h[lr] * (s / h[num_warmup_steps]);
    if (since < 0) return h[lr];
    if (since >= h[num_decay_steps]) return h[lr] * h[min_lr_ratio];
    return h[lr] * schedule::line(h[min_lr_ratio], 1, cooled(h, since / h[num_decay_steps]));
  }
};

}  // namespace optim::schedules
