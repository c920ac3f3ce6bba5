// AdamP (arXiv 2006.08217): for tensors of rank >= 2 whose gradient is nearly orthogonal to the weights, row by row or as a whole,
// the part of Adam's step along the weights is taken out and the decay weakened. eps is added last, unscaled.
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace adamp_tags {
OPTIM_HYPER(delta, range::at_least(0), "Cosine, times the root of the length, below which a step is projected.");
OPTIM_HYPER(wd_ratio, range::closed(0, 1), "Factor on the weight decay of projected steps.");
}  // namespace adamp_tags

struct adamp {
  static constexpr const char* title = "AdamP";
  static constexpr const char* paper =
      "Heo et al.: AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2006.08217";
  static constexpr const char* summary = "Adam without the growth of scale-invariant weights: u -= (u . p^) p^, p -= lr u.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, fixed_decay = false, delta = 0.1,
                    wd_ratio = 0.1, nesterov = false, use_gc = false, adam_debias = false, adanorm = false, adanorm_r = 0.95,
                    maximize = false);
  static constexpr auto slots = optim::slots(exp_avg, exp_avg_sq, exp_grad_adanorm.when(adanorm));

  template <class T>
  struct Scalars {
    Averages<T> averages;
    T decay_rate, eps, step_size, root_correction2, delta, wd_ratio;
    T ahead_m, ahead_g;  // the numerator of the direction: m, or beta1 m + (1 - beta1) g
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    Scalars<T> c{};
    c.decay_rate = T(decay_rate(h));
    c.averages = averages<T>(h);
    c.eps = T(h[eps]);
    c.step_size = T(debiased_lr(h, t));
    c.root_correction2 = T(std::sqrt(correction(h[beta2], t)));
    c.delta = T(h[delta]);
    c.wd_ratio = T(h[wd_ratio]);
    c.ahead_m = T(h[nesterov] != 0 ? h[beta1] : 1);
    c.ahead_g = T(h[nesterov] != 0 ? 1 - h[beta1] : 0);
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
    return (c.ahead_m * s[exp_avg] + c.ahead_g * g) / (std::sqrt(s[exp_avg_sq]) / c.root_correction2 + c.eps);
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    advance(g, s, c);
    p = (1 - c.decay_rate) * p - c.step_size * direction(g, s, c);
  }

  enum Sum { grad_param, grad_sq, param_sq, param_direction, aligned_rows };
  static constexpr int sum_count = 5;
  static constexpr Scope scope = Scope::row;
  static constexpr int reduced_rank = 2;

  static constexpr Pass gather_pass(const double*) { return {true, true, true, false, true}; }
  static constexpr Pass apply_pass(const double* values) {
    HypersOf<adamp> h = hypers;
    for (int i = 0; i < h.count; ++i) h.value[i] = values[i];
    return {true, h[nesterov] != 0, true, true, false};
  }

  template <class T, class State>
  OPTIM_FN static Terms<sum_count> gather(T p, T g, State& s, const Scalars<T>& c) {
    advance(g, s, c);
    return {{product(g, p), product(g, g), product(p, p), product(p, direction(g, s, c)), 0}};
  }

  // Whether gradient and weights are not nearly orthogonal.
  OPTIM_FN static bool aligned(const double* sum, double length, const Scalars<double>& c) {
    const double g = std::sqrt(sum[grad_sq]), p = std::sqrt(sum[param_sq]);
    const double cosine = std::fabs(sum[grad_param]) / ((g > c.eps ? g : c.eps) * (p > c.eps ? p : c.eps));
    return cosine >= c.delta / std::sqrt(length);  // 0 / 0 with eps = 0: not aligned
  }

  template <class State>
  OPTIM_FN static void close_row(double* sum, State&, const Scalars<double>& c, const Extent& x) {
    sum[aligned_rows] = aligned(sum, static_cast<double>(x.row_length), c) ? 1 : 0;
  }

  template <class T>
  struct Factors {
    T decay, along;  // along: the coefficient of p in the projected direction
  };

  template <class T>
  OPTIM_FN static Factors<T> finish(const double* row, const double* tensor, const Scalars<double>& c, const Extent& x) {
    const bool by_row = tensor[aligned_rows] == 0;
    if (!by_row && aligned(tensor, static_cast<double>(x.count), c)) return {T(1 - c.decay_rate), T(0)};
    const double* sum = by_row ? row : tensor;
    const double norm = std::sqrt(sum[param_sq]) + c.eps;
    return {T(1 - c.decay_rate * c.wd_ratio), T(quotient(sum[param_direction], norm * norm))};
  }

  template <class T, class State>
  OPTIM_FN static void apply(T& p, T g, const State& s, const Scalars<T>& c, const Factors<T>& f) {
    const T u = direction(g, s, c) - f.along * p;
    p = f.decay * p - c.step_size * u;
  }
};

}  // namespace optim::rules
