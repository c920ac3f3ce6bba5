// A helper by itself is a step of the rule that does nothing, and hands the prepared gradient back instead of using it up. Not in
// the catalogue.
#pragma once

#include "core/rule.h"

namespace optim::rules {

struct standalone {
  static constexpr const char* title = "Standalone helpers";
  static constexpr const char* paper = "";
  static constexpr const char* url = "";
  static constexpr const char* summary =
      "Applies the helpers of a plan to its gradients and parameters, without a step.";
  static constexpr bool listed = false;
  static constexpr bool writes_gradient = true;

  static constexpr auto hypers = optim::hypers(lr = 0, beta2 = 0);
  static constexpr auto slots = optim::slots(exp_avg_sq.when(beta2));

  template <class T>
  struct Scalars {};

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H&, double) {
    return {};
  }

  template <class T, class State>
  OPTIM_FN static void update(T&, T, State&, const Scalars<T>&) {}
};

}  // namespace optim::rules
