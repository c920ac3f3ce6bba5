// MADGRAD (arXiv 2101.11075), as facebookresearch/madgrad: eps is also added to the learning rate, unless that is 0.
// Without momentum, x0 is not stored but follows from the sums, with 0/0 := 0.
#pragma once

#include "core/math.h"
#include "core/rule.h"

namespace optim::rules {

inline namespace madgrad_tags {
OPTIM_SLOT(grad_sum_sq, param, zero, none, "Sum of lr sqrt(t) times the squared gradient.");
OPTIM_SLOT(s, param, zero, none, "Sum of lr sqrt(t) times the gradient.");
OPTIM_SLOT(x0, param, param, fixed, "Parameter before the first step.");
}  // namespace madgrad_tags

struct madgrad {
  static constexpr const char* title = "MADGRAD";
  static constexpr const char* paper =
      "Defazio, Jelassi: Adaptivity without Compromise: A Momentumized, Adaptive, Dual Averaged Gradient Method (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2101.11075";
  static constexpr const char* summary =
      "Dual averaging under a cube root: p = mu p + (1 - mu) (x0 - s / (cbrt(q) + eps)), s and q sums of g and g^2.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-2, momentum = 0.9, eps = 1e-6, weight_decay = 0, weight_decouple = false, maximize = false);
  static constexpr auto slots = optim::slots(grad_sum_sq, s, x0.when(momentum));

  template <class T>
  struct Scalars {
    T keep, momentum, eps, weight;  // weight: of this step's gradient in the sums
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    const double rate = h[lr] != 0 ? h[lr] + h[eps] : 0;
    Scalars<T> c{};
    c.keep = T(h[momentum] - (h[weight_decouple] != 0 ? rate * h[weight_decay] : 0));
    c.momentum = T(h[momentum]);
    c.eps = T(h[eps]);
    c.weight = T(rate * std::sqrt(t));
    return c;
  }

  template <class T, class State>
  OPTIM_FN static T shift(const State& state, const Scalars<T>& c) {
    return quotient(state[s], math::cbrt(state[grad_sum_sq]) + c.eps);
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& state, const Scalars<T>& c) {
    const T start = c.momentum == 0 ? p + shift(state, c) : state[x0];
    state[grad_sum_sq] = state[grad_sum_sq] + c.weight * (g * g);
    state[s] = state[s] + c.weight * g;
    p = c.keep * p + (1 - c.momentum) * (start - shift(state, c));
  }
};

}  // namespace optim::rules
