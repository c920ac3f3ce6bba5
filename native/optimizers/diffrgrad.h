// diffRGrad: diffGrad (arXiv 1909.11015) with the rectification of RAdam (arXiv 1908.03265), by L. Wright, without a
// paper of its own. The friction is of the absolute difference, as diffGrad's; a step along the first moment alone has
// none.
#pragma once

#include "core/math.h"
#include "core/rule.h"

namespace optim::rules {

struct diffrgrad {
  static constexpr const char* title = "diffRGrad";
  static constexpr const char* paper =
      "Dubey et al.: diffGrad: An Optimization Method for Convolutional Neural Networks (2019)";
  static constexpr const char* url = "https://arxiv.org/abs/1909.11015";
  static constexpr const char* summary =
      "diffGrad with RAdam's rectification: p -= lr r_t m^ / (sqrt(v) + eps) / (1 + exp(-|g - g'|)).";

  static constexpr auto hypers = optim::hypers(
      lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, weight_decouple = true, fixed_decay = false,
      n_sma_threshold = 5, degenerated_to_sgd = true, ams_bound = false, adam_debias = false, adanorm = false,
      adanorm_r = 0.95, maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots =
      optim::slots(exp_avg, exp_avg_sq, previous_grad, max_exp_avg_sq.when(ams_bound), exp_grad_adanorm.when(adanorm));

  template <class T>
  struct Scalars {
    Averages<T> averages;
    RunningMaximum<T> maximum;
    RectifiedDenominator<T> denominator;
    Smoothing<T> smoothing;
    T decay, step_size, friction;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    const Rectification r = rectification(h, t);
    Scalars<T> c{};
    c.averages = averages<T>(h);
    c.maximum = running_maximum<T>(h);
    c.denominator = rectified_denominator<T>(h, r);
    c.decay = T(r.skipped ? 1 : 1 - decay_rate(h));
    c.step_size = T(debiased_lr(h, t) * r.factor);
    c.friction = T(r.rectified ? 1 : 0);
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
    const T w = c.maximum(s[exp_avg_sq], s[max_exp_avg_sq]);
    const T friction = 1 + c.friction * math::exp(-math::magnitude(s[previous_grad] - g));
    s[previous_grad] = g;
    p = c.decay * p - c.step_size * s[exp_avg] / (friction * c.smoothing(c.denominator(w)));
  }
};

}  // namespace optim::rules
