// The rule of this test only. It has a hyper-parameter and a slot of its own, and this header is all there is of it.
#pragma once

#include "core/rule.h"

namespace optim::rules {

OPTIM_HYPER(gain, range::above(0), "Factor on the gradients that are summed.");
OPTIM_SLOT(gradient_sum, param, zero, none, "Sum of the gradients so far, times gain.");

struct throwaway {
  static constexpr const char* title = "Throw-away";
  static constexpr const char* paper = "";
  static constexpr const char* url = "https://example.org/throwaway";
  static constexpr const char* summary = "Steps along the sum of all gradients: s += gain g, p -= lr s.";

  static constexpr auto hypers = optim::hypers(lr = 0.25, gain = 2);
  static constexpr auto slots = optim::slots(gradient_sum);

  template <class T>
  struct Scalars {
    T lr, gain;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double) {
    return {T(h[lr]), T(h[gain])};
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    T& sum = s[gradient_sum];
    sum = sum + c.gain * g;
    p = p - c.lr * sum;
  }
};

}  // namespace optim::rules
