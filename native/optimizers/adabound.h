// AdaBound (Luo et al. 2019), as the authors' code: both moments corrected, eps beside the uncorrected root, no
// 1/sqrt(t). ams_bound is AMSBound; weight_decouple with fixed_decay is the authors' AdaBoundW.
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace adabound_tags {
OPTIM_HYPER(final_lr, range::at_least(0), "Learning rate that both bounds tend to, while lr is base_lr.");
OPTIM_HYPER(gamma, range::open(0, 1), "Speed at which the bounds close in.");
OPTIM_HYPER(base_lr, range::at_least(0), "Learning rate that final_lr goes with: lr / base_lr also scales the bounds.");
}  // namespace adabound_tags

struct adabound {
  static constexpr const char* title = "AdaBound";
  static constexpr const char* paper =
      "Luo, Xiong, Liu, Sun: Adaptive Gradient Methods with Dynamic Bound of Learning Rate (2019)";
  static constexpr const char* url = "https://openreview.net/forum?id=Bkg3g2R9FX";
  static constexpr const char* summary =
      "Adam turning into SGD: p -= min(max(lr / (sqrt(v^) + eps), low(t)), high(t)) m^, bounds closing in on final_lr.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, final_lr = 0.1, gamma = 1e-3, base_lr = lr,
                    weight_decay = 0, weight_decouple = false, fixed_decay = false, ams_bound = false,
                    adam_debias = false, maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots = optim::slots(exp_avg, exp_avg_sq, max_exp_avg_sq.when(ams_bound));

  template <class H>
  static constexpr const char* check(const H& h) {
    return h[base_lr] == 0 && h[lr] > 0 ? "base_lr is 0, as lr was in the new plan; lr > 0 needs base_lr > 0" : nullptr;
  }

  template <class T>
  struct Scalars {
    Averages<T> averages;
    RunningMaximum<T> maximum;
    Smoothing<T> smoothing;
    T decay, eps, step_size, low, high;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    const double final_rate = h[final_lr] * quotient(h[lr], h[base_lr]);
    Scalars<T> c{};
    c.averages = averages<T>(h);
    c.maximum = running_maximum<T>(h);
    c.decay = T(1 - decay_rate(h));
    c.eps = T(h[eps]);
    c.step_size = T(debiased_lr(h, t) * std::sqrt(correction(h[beta2], t)));
    c.low = T(final_rate * (1 - 1 / (h[gamma] * t + 1)));
    c.high = T(final_rate * (1 + 1 / (h[gamma] * t)));
    c.smoothing = smoothing<T>(h);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    c.averages.advance(g, s);
    T rate = c.step_size / c.smoothing(std::sqrt(c.maximum(s[exp_avg_sq], s[max_exp_avg_sq])) + c.eps);
    rate = rate < c.low ? c.low : rate;
    rate = rate > c.high ? c.high : rate;
    p = c.decay * p - rate * s[exp_avg];
  }
};

}  // namespace optim::rules
