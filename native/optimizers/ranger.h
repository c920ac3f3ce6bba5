// Ranger (lessw2020/Ranger-Deep-Learning-Optimizer): RAdam, gradient centralization and Lookahead. The last two are helpers that
// the rule switches on by listing their hyper-parameters. While the moving average is too short to rectify, it steps along the first
// moment, as the authors' code.
#pragma once

#include "optimizers/radam.h"

namespace optim::rules {

inline namespace ranger_tags {
OPTIM_SLOT(slow_buffer, param, param, slow_params, "Slow weights.");
}  // namespace ranger_tags

struct ranger : radam {
  static constexpr const char* title = "Ranger";
  static constexpr const char* paper =
      "Wright: Ranger, a synergistic optimizer (2019), of RAdam (arXiv 1908.03265), Lookahead (arXiv 1907.08610) and "
      "gradient "
      "centralization (arXiv 2004.01461)";
  static constexpr const char* url = "https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer";
  static constexpr const char* summary = "RAdam on centralized gradients, every k steps blended with slow weights.";

  static constexpr auto hypers = optim::hypers(
      lr = 1e-3, beta1 = 0.95, beta2 = 0.999, eps = 1e-5, weight_decay = 0, weight_decouple = true, fixed_decay = false,
      alpha = 0.5, k = 6, n_sma_threshold = 5, degenerated_to_sgd = true, use_gc = true, gc_conv_only = false,
      adam_debias = false, maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots = optim::slots(exp_avg, exp_avg_sq, slow_buffer);

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    Scalars<T> c = radam::prepare<T>(h, t);
    c.decay = T(1 - decay_rate(h));  // also at steps that RAdam skips
    return c;
  }
};

}  // namespace optim::rules
