// AdaPNM (arXiv 2103.17182), as zeke-xie/Positive-Negative-Momentum: Adam on the positive-negative momentum, with AMSGrad by default.
// beta3 is the paper's beta_0; the momenta decay by beta1^2, and their bias is corrected by beta1.
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace adapnm_tags {
OPTIM_HYPER(beta3, range::at_least(0),
            "Weight of the negative momentum: how much the gradient's noise is raised (beta_0).");
OPTIM_SLOT(neg_exp_avg, param, zero, none, "Moving average of the gradient that even steps advance.");
}  // namespace adapnm_tags

struct adapnm {
  static constexpr const char* title = "AdaPNM";
  static constexpr const char* paper =
      "Xie et al.: Positive-Negative Momentum: Manipulating Stochastic Gradient Noise to Improve Generalization (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2103.17182";
  static constexpr const char* summary =
      "Adam with positive-negative momentum: p -= lr ((1 + b0) m - b0 m')^ / (sqrt(v^) + eps).";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, beta1 = 0.9, beta2 = 0.999, beta3 = 1, eps = 1e-8, weight_decay = 0,
                    weight_decouple = true, fixed_decay = false, ams_bound = true, adam_debias = false, adanorm = false,
                    adanorm_r = 0.95, maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots =
      optim::slots(exp_avg, neg_exp_avg, exp_avg_sq, max_exp_avg_sq.when(ams_bound), exp_grad_adanorm.when(adanorm));
  static constexpr auto alternating = alternate(slots, exp_avg, neg_exp_avg);

  template <class T>
  struct Scalars {
    Averages<T> averages;
    RunningMaximum<T> maximum;
    PositiveNegative<T> direction;  // times the step size
    Smoothing<T> smoothing;
    T decay, eps, root_debias2;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    const double beta1_sq = h[beta1] * h[beta1];
    Scalars<T> c{};
    c.averages = averages<T>(h);
    c.averages.beta1 = T(beta1_sq);
    c.averages.add1 = T(1 - beta1_sq);
    c.maximum = running_maximum<T>(h);
    c.direction = positive_negative<T>(h[beta3], debiased_lr(h, t));
    c.decay = T(1 - decay_rate(h));
    c.eps = T(h[eps]);
    c.root_debias2 = T(1 / std::sqrt(correction(h[beta2], t)));
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
    p = c.decay * p - c.direction(s[exp_avg], s[neg_exp_avg]) / c.smoothing(std::sqrt(w) * c.root_debias2 + c.eps);
  }
};

}  // namespace optim::rules
