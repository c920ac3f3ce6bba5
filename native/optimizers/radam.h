// RAdam (arXiv 1908.03265), as the authors' code: no step while the moving average is too short to rectify. The paper's
// algorithm and torch.optim.RAdam step along the first moment then: degenerated_to_sgd = true, for torch also
// weight_decouple = false.
#pragma once

#include "core/rule.h"

namespace optim::rules {

struct radam {
  static constexpr const char* title = "RAdam";
  static constexpr const char* paper = "Liu et al.: On the Variance of the Adaptive Learning Rate and Beyond (2020)";
  static constexpr const char* url = "https://arxiv.org/abs/1908.03265";
  static constexpr const char* summary =
      "Adam with the variance of its step rectified: p -= lr r_t m^ / (sqrt(v) + eps).";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, weight_decouple = true,
                    fixed_decay = false, n_sma_threshold = 5, degenerated_to_sgd = false, adam_debias = false,
                    adanorm = false, adanorm_r = 0.95, maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots = optim::slots(exp_avg, exp_avg_sq, exp_grad_adanorm.when(adanorm));

  template <class T>
  struct Scalars {
    Averages<T> averages;
    RectifiedDenominator<T> denominator;
    Smoothing<T> smoothing;
    T decay, step_size;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    const Rectification r = rectification(h, t);
    Scalars<T> c{};
    c.averages = averages<T>(h);
    c.denominator = rectified_denominator<T>(h, r);
    c.decay = T(r.skipped ? 1 : 1 - decay_rate(h));
    c.step_size = T(debiased_lr(h, t) * r.factor);
    c.smoothing = smoothing<T>(h, r);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State&, const TensorFacts& tensor) {
    c.averages.add1 *= T(tensor.adanorm);
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    c.averages.advance(g, s);
    p = c.decay * p - c.step_size * s[exp_avg] / c.smoothing(c.denominator(s[exp_avg_sq]));
  }
};

}  // namespace optim::rules
