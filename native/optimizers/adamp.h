// AdamP (arXiv 2006.08217): for tensors of rank >= 2 whose gradient is nearly orthogonal to the weights, row by row or as a whole,
// the part of Adam's step along the weights is taken out and the decay weakened. eps is added last, unscaled.
#pragma once

#include "core/projection.h"

namespace optim::rules {

struct adamp : Projected<adamp> {
  static constexpr const char* title = "AdamP";
  static constexpr const char* paper =
      "Heo et al.: AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2006.08217";
  static constexpr const char* summary =
      "Adam without the growth of scale-invariant weights: u -= (u . p^) p^, p -= lr u.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, fixed_decay = false,
                    delta = 0.1, wd_ratio = 0.1, nesterov = false, use_gc = false, adam_debias = false, adanorm = false,
                    adanorm_r = 0.95, maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots = optim::slots(exp_avg, exp_avg_sq, exp_grad_adanorm.when(adanorm));

  template <class T>
  struct Scalars {
    Averages<T> averages;
    Smoothing<T> smoothing;
    T decay_rate, eps, step_size, root_debias2, delta, wd_ratio;
    T ahead_m, ahead_g;  // the numerator of the direction: m, or beta1 m + (1 - beta1) g
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    Scalars<T> c{};
    c.decay_rate = T(decay_rate(h));
    c.averages = averages<T>(h);
    c.eps = T(h[eps]);
    c.step_size = T(debiased_lr(h, t));
    c.root_debias2 = T(1 / std::sqrt(correction(h[beta2], t)));
    c.delta = T(h[delta]);
    c.wd_ratio = T(h[wd_ratio]);
    c.ahead_m = T(h[nesterov] != 0 ? h[beta1] : 1);
    c.ahead_g = T(h[nesterov] != 0 ? 1 - h[beta1] : 0);
    c.smoothing = smoothing<T>(h);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State&, const TensorFacts& tensor) {
    c.averages.add1 *= T(tensor.adanorm);
  }

  template <class T, class State>
  OPTIM_FN static void advance(T g, State& s, const Scalars<T>& c) {
    c.averages.advance(g, s);
  }

  template <class T, class State>
  OPTIM_FN static T direction(T g, const State& s, const Scalars<T>& c) {
    return (c.ahead_m * s[exp_avg] + c.ahead_g * g) / c.smoothing(std::sqrt(s[exp_avg_sq]) * c.root_debias2 + c.eps);
  }
};

}  // namespace optim::rules
