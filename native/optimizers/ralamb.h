// RaLamb: RAdam's step (arXiv 1908.03265) with Lamb's layer-wise scale (arXiv 1904.00962); without a paper of its own,
// from mgrankin/over9000. There the parameter's norm is divided by that of the new parameter, so that the ratio is near
// 1 unless clamp acts; trust_norm = update is Lamb's own ratio.
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace ralamb_tags {
OPTIM_HYPER(trust_norm, range::one_of("new_param", "update"),
            "What the norm of the parameter is divided by the norm of.");
}  // namespace ralamb_tags

struct ralamb {
  enum TrustNorm { of_new_param, of_update };

  static constexpr const char* title = "RaLamb";
  static constexpr const char* paper = "Liu et al.: On the Variance of the Adaptive Learning Rate and Beyond (2020)";
  static constexpr const char* url = "https://arxiv.org/abs/1908.03265";
  static constexpr const char* summary = "RAdam's direction u, layer-wise scaled: p -= lr |p| / |p - lr u| u.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, fixed_decay = false,
                    n_sma_threshold = 5, degenerated_to_sgd = true, clamp = 10, trust_norm = of_new_param,
                    pre_norm = false, max_grad_norm = 0, adam_debias = false, adanorm = false, adanorm_r = 0.95,
                    maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots = optim::slots(exp_avg, exp_avg_sq, exp_grad_adanorm.when(adanorm));

  template <class H>
  static constexpr const char* check(const H& h) {
    return h[pre_norm] != 0 && h[max_grad_norm] > 0 ? "pre_norm and max_grad_norm > 0 exclude each other" : nullptr;
  }

  template <class T>
  struct Scalars {
    Averages<T> averages;
    RectifiedDenominator<T> denominator;
    Smoothing<T> smoothing;
    T lr, decay, factor, clamp;
    T norm_p, norm_u;  // the second norm is of norm_p p - norm_u u
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    const Rectification r = rectification(h, t);
    const bool new_param = h[trust_norm] == of_new_param;
    Scalars<T> c{};
    c.averages = averages<T>(h);
    c.denominator = rectified_denominator<T>(h, r);
    c.lr = T(h[lr]);
    c.decay = T(r.skipped ? 1 : 1 - decay_rate(h));
    c.factor = T(h[adam_debias] != 0 ? r.factor : r.factor / correction(h[beta1], t));
    c.clamp = T(h[clamp]);
    c.norm_p = T(new_param ? 1 : 0);
    c.norm_u = T(new_param ? h[lr] : 1);
    c.smoothing = smoothing<T>(h, r);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State&, const TensorFacts& tensor) {
    c.averages.add1 *= T(tensor.adanorm);
  }

  template <class T, class State>
  OPTIM_FN static T direction(const State& s, const Scalars<T>& c) {
    return c.factor * s[exp_avg] / c.smoothing(c.denominator(s[exp_avg_sq]));
  }

  enum Sum { param_sq, trust_sq };
  static constexpr int sum_count = 2;
  static constexpr Scope scope = Scope::tensor;
  static constexpr int reduced_rank = 0;

  static constexpr Pass gather_pass(const double*) { return {true, true, true, false, true}; }
  static constexpr Pass apply_pass(const double*) { return {true, false, true, true, false}; }

  template <class T, class State>
  OPTIM_FN static Terms<sum_count> gather(T p, T g, State& s, const Scalars<T>& c) {
    c.averages.advance(g, s);
    p = c.decay * p;
    const T normed = c.norm_p * p - c.norm_u * direction(s, c);
    return {{product(p, p), product(normed, normed)}};
  }

  template <class T>
  struct Factors {
    T step_size;
  };

  template <class T>
  OPTIM_FN static Factors<T> finish(const double*, const double* tensor, const Scalars<double>& c, const Extent&) {
    return {T(c.lr * trust_ratio(clamped(std::sqrt(tensor[param_sq]), c.clamp), std::sqrt(tensor[trust_sq])))};
  }

  template <class T, class State>
  OPTIM_FN static void apply(T& p, T, const State& s, const Scalars<T>& c, const Factors<T>& f) {
    p = c.decay * p - f.step_size * direction(s, c);
  }
};

}  // namespace optim::rules
