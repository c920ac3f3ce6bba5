// Adam (arXiv 1412.6980) as torch.optim.Adam: eps outside the root, unscaled. ams_bound is AMSGrad (the maximum is taken of the
// raw second moment, then corrected), adam_debias is AdamD (arXiv 2110.10828).
#pragma once

#include "core/rule.h"

namespace optim::rules {

struct adam {
  static constexpr const char* title = "Adam";
  static constexpr const char* paper = "Kingma, Ba: Adam: A Method for Stochastic Optimization (2015)";
  static constexpr const char* url = "https://arxiv.org/abs/1412.6980";
  static constexpr const char* summary = "Adaptive moments: p -= lr m^ / (sqrt(v^) + eps).";

  static constexpr auto hypers = optim::hypers(
      lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, weight_decouple = false, fixed_decay = false,
      ams_bound = false, adam_debias = false, maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots = optim::slots(exp_avg, exp_avg_sq, max_exp_avg_sq.when(ams_bound));
  static constexpr Alias<adam> aliases[] = {{"AMSGrad", ams_bound = true}, {"AdamD", adam_debias = true}};

  template <class T>
  struct Scalars {
    Averages<T> averages;
    RunningMaximum<T> maximum;
    Smoothing<T> smoothing;
    T decay, eps, step_size, root_debias2;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    Scalars<T> c{};
    c.decay = T(1 - decay_rate(h));
    c.averages = averages<T>(h);
    c.maximum = running_maximum<T>(h);
    c.eps = T(h[eps]);
    c.step_size = T(debiased_lr(h, t));
    c.root_debias2 = T(1 / std::sqrt(correction(h[beta2], t)));
    c.smoothing = smoothing<T>(h);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    c.averages.advance(g, s);
    const T w = c.maximum(s[exp_avg_sq], s[max_exp_avg_sq]);
    p = c.decay * p - c.step_size * s[exp_avg] / c.smoothing(std::sqrt(w) * c.root_debias2 + c.eps);
  }
};

}  // namespace optim::rules
