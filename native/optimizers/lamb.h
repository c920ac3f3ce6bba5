// Lamb (arXiv 1904.00962), by default as cybertronai/pytorch-lamb: no bias correction, the parameter norm limited to 10.
// bias_correction = true with clamp = 0 is the paper's final form.
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace lamb_tags {
OPTIM_HYPER(bias_correction, range::boolean(), "Correct the bias of both moments.");
OPTIM_HYPER(grad_averaging, range::boolean(),
            "The first moment adds (1 - beta1) times the gradient instead of all of it.");
OPTIM_HYPER(adam, range::boolean(), "Leave the trust ratio at 1.");
}  // namespace lamb_tags

struct lamb {
  static constexpr const char* title = "Lamb";
  static constexpr const char* paper =
      "You et al.: Large Batch Optimization for Deep Learning: Training BERT in 76 minutes (2020)";
  static constexpr const char* url = "https://arxiv.org/abs/1904.00962";
  static constexpr const char* summary = "Adam's direction u, layer-wise scaled: p -= lr |p| / |u| u.";

  static constexpr auto hypers = optim::hypers(
      lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-6, weight_decay = 0, weight_decouple = true,
      bias_correction = false, adam_debias = false, grad_averaging = true, clamp = 10, adam = false, pre_norm = false,
      max_grad_norm = 0, adanorm = false, adanorm_r = 0.95, maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots = optim::slots(exp_avg, exp_avg_sq, exp_grad_adanorm.when(adanorm));

  template <class H>
  static constexpr const char* check(const H& h) {
    if (h[pre_norm] != 0 && h[max_grad_norm] > 0) return "pre_norm and max_grad_norm > 0 exclude each other";
    return h[adam_debias] != 0 && h[bias_correction] == 0 ? "adam_debias needs bias_correction" : nullptr;
  }

  template <class T>
  struct Scalars {
    Averages<T> averages;
    Smoothing<T> smoothing;
    T lr, weight_decay, eps, debias1, debias2, clamp;
    bool adam;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    const bool correct = h[bias_correction] != 0;
    Scalars<T> c{};
    c.lr = T(h[lr]);
    c.weight_decay = T(h[weight_decouple] != 0 ? h[weight_decay] : 0);
    c.averages = averages<T>(h);
    if (h[grad_averaging] == 0) c.averages.add1 = 1;
    c.eps = T(h[eps]);
    c.debias1 = T(correct && h[adam_debias] == 0 ? 1 / correction(h[beta1], t) : 1);
    c.debias2 = T(correct ? 1 / correction(h[beta2], t) : 1);
    c.clamp = T(h[clamp]);
    c.adam = h[adam] != 0;
    c.smoothing = smoothing<T>(h);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State&, const TensorFacts& tensor) {
    c.averages.add1 *= T(tensor.adanorm);
  }

  template <class T, class State>
  OPTIM_FN static T direction(T p, const State& s, const Scalars<T>& c) {
    return s[exp_avg] * c.debias1 / c.smoothing(std::sqrt(s[exp_avg_sq] * c.debias2) + c.eps) + c.weight_decay * p;
  }

  enum Sum { param_sq, direction_sq };
  static constexpr int sum_count = 2;
  static constexpr Scope scope = Scope::tensor;
  static constexpr int reduced_rank = 0;

  static constexpr Pass gather_pass(const double*) { return {true, true, true, false, true}; }
  static constexpr Pass apply_pass(const double*) { return {true, false, true, true, false}; }

  template <class T, class State>
  OPTIM_FN static Terms<sum_count> gather(T p, T g, State& s, const Scalars<T>& c) {
    c.averages.advance(g, s);
    const T u = direction(p, s, c);
    return {{product(p, p), product(u, u)}};
  }

  template <class T>
  struct Factors {
    T step_size;
  };

  template <class T>
  OPTIM_FN static Factors<T> finish(const double*, const double* tensor, const Scalars<double>& c, const Extent&) {
    const double a = clamped(std::sqrt(tensor[param_sq]), c.clamp);
    const double b = std::sqrt(tensor[direction_sq]);
    return {T(c.lr * (c.adam ? 1 : trust_ratio(a, b)))};
  }

  template <class T, class State>
  OPTIM_FN static void apply(T& p, T, const State& s, const Scalars<T>& c, const Factors<T>& f) {
    p = p - f.step_size * direction(p, s, c);
  }
};

}  // namespace optim::rules
