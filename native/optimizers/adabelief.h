// AdaBelief (arXiv 2010.07468), as the authors' code 0.2.0: rectified by default, eps also added inside the variance at every
// step. Unlike that code the running maximum of ams_bound also serves the rectified branch.
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace adabelief_tags {
OPTIM_SLOT(exp_avg_var, param, zero, second_central_moment,
           "Moving average of the squared distance of the gradient from its average.");
OPTIM_SLOT(max_exp_avg_var, param, zero, none, "Running maximum of exp_avg_var.");
OPTIM_HYPER(rectify, range::boolean(), "Rectify the variance of the adaptive step (RAdam).");
}  // namespace adabelief_tags

struct adabelief {
  static constexpr const char* title = "AdaBelief";
  static constexpr const char* paper =
      "Zhuang et al.: AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients (2020)";
  static constexpr const char* url = "https://arxiv.org/abs/2010.07468";
  static constexpr const char* summary =
      "Steps by the belief in the gradient: q = E[(g - m)^2], p -= lr m / (sqrt(q) + eps).";

  static constexpr auto hypers = optim::hypers(
      lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-16, weight_decay = 0, weight_decouple = true, fixed_decay = false,
      rectify = true, n_sma_threshold = 5, degenerated_to_sgd = true, ams_bound = false, adam_debias = false,
      adanorm = false, adanorm_r = 0.95, maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots =
      optim::slots(exp_avg, exp_avg_var, max_exp_avg_var.when(ams_bound), exp_grad_adanorm.when(adanorm));

  // The denominator is min(sqrt(w) * root_scale, highest_root) + offset; a step of the first moment alone makes it 1.
  template <class T>
  struct Scalars {
    Averages<T> averages;
    RunningMaximum<T> maximum;
    Smoothing<T> smoothing;
    T decay, eps, step_size, root_scale, highest_root, offset;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    Scalars<T> c{};
    c.decay = T(1 - decay_rate(h));
    c.averages = averages<T>(h);
    c.maximum = running_maximum<T>(h);
    c.eps = c.offset = T(h[eps]);
    c.step_size = T(debiased_lr(h, t));
    c.smoothing = smoothing<T>(h);
    c.highest_root = T(INFINITY);
    if (h[rectify] == 0) {
      c.root_scale = T(1 / std::sqrt(correction(h[beta2], t)));
      return c;
    }
    const Rectification r = rectification(h, t);
    c.step_size = T(debiased_lr(h, t) * r.factor);
    c.smoothing = smoothing<T>(h, r);
    c.root_scale = 1;  // the rectification contains the correction
    if (r.rectified) return c;
    c.highest_root = 0;
    c.offset = 1;
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State&, const TensorFacts& tensor) {
    c.averages.add1 *= T(tensor.adanorm);
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    T& m = s[exp_avg];
    T& q = s[exp_avg_var];
    m = c.averages.beta1 * m + c.averages.add1 * g;
    const T d = g - m;
    q = c.averages.beta2 * q + c.averages.add2 * (d * d) + c.eps;
    const T w = c.maximum(q, s[max_exp_avg_var]);
    const T root = std::sqrt(w) * c.root_scale;
    p = c.decay * p - c.step_size * m / c.smoothing((root > c.highest_root ? c.highest_root : root) + c.offset);
  }
};

}  // namespace optim::rules
