// diffGrad (arXiv 1909.11015), as the authors' corrected code (diffGrad_v2). eps stands beside the uncorrected root.
// ams_bound is an option of our own.
#pragma once

#include "core/math.h"
#include "core/rule.h"

namespace optim::rules {

struct diffgrad {
  static constexpr const char* title = "diffGrad";
  static constexpr const char* paper =
      "Dubey et al.: diffGrad: An Optimization Method for Convolutional Neural Networks (2019)";
  static constexpr const char* url = "https://arxiv.org/abs/1909.11015";
  static constexpr const char* summary =
      "Adam, slowed where the gradient stays the same: p -= lr m^ / (sqrt(v^) + eps) / (1 + exp(-|g - g'|)).";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, weight_decouple = false,
                    fixed_decay = false, ams_bound = false, adam_debias = false, adanorm = false, adanorm_r = 0.95,
                    maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots =
      optim::slots(exp_avg, exp_avg_sq, previous_grad, max_exp_avg_sq.when(ams_bound), exp_grad_adanorm.when(adanorm));

  template <class T>
  struct Scalars {
    Averages<T> averages;
    RunningMaximum<T> maximum;
    Smoothing<T> smoothing;
    T decay, eps, step_size;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    Scalars<T> c{};
    c.averages = averages<T>(h);
    c.maximum = running_maximum<T>(h);
    c.decay = T(1 - decay_rate(h));
    c.eps = T(h[eps]);
    c.step_size = T(debiased_lr(h, t) * std::sqrt(correction(h[beta2], t)));
    c.smoothing = smoothing<T>(h);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State&, const TensorFacts& tensor) {
    c.averages.add1 *= T(tensor.adanorm);
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    c.averages.advance(g, s);
    const T w = c.maximum(s[exp_avg_sq], s[max_exp_avg_sq]);
    const T friction = 1 + math::exp(-math::magnitude(s[previous_grad] - g));
    s[previous_grad] = g;
    p = c.decay * p - c.step_size * s[exp_avg] / (friction * c.smoothing(std::sqrt(w) + c.eps));
  }
};

}  // namespace optim::rules
