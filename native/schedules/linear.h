// Linear warm-up and linear decay, as BERT was trained.
#pragma once

#include "core/schedule.h"

namespace optim::schedules {

struct linear {
  static constexpr const char* title = "Linear";
  static constexpr const char* paper =
      "Devlin et al.: BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding (2019)";
  static constexpr const char* url = "https://arxiv.org/abs/1810.04805";
  static constexpr const char* summary = "Rises linearly from init_lr to max_lr, then falls linearly to min_lr.";

  static constexpr auto hypers =
      optim::hypers(max_lr = no_default, t_max = no_default, min_lr = 0, init_lr = 0, warmup_steps = 0);

  template <class H>
  static constexpr const char* check(const H& h) {
    return schedule::check_warm_up(h);
  }

  template <class H>
  OPTIM_FN static double value(const H& h, double n) {
    const double s = n - 1;
    if (schedule::warms_up(h, s)) return schedule::warm_up(h, s);
    return schedule::line(h[max_lr], h[min_lr], schedule::decayed(h, s));
  }
};

}  // namespace optim::schedules
