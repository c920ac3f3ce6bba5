// The softplus transformation of denominators (arXiv 1908.00700) by itself. Not in the catalogue.
#pragma once

#include "core/math.h"
#include "core/rule.h"

namespace optim::rules {

struct softplus {
  static constexpr const char* title = "Softplus transformation";
  static constexpr const char* paper =
      "Tong, Liang, Bi: Calibrating the Adaptive Learning Rate to Improve Convergence of ADAM (2019)";
  static constexpr const char* url = "https://arxiv.org/abs/1908.00700";
  static constexpr const char* summary = "x = log(1 + exp(beta x)) / beta.";
  static constexpr bool listed = false;

  static constexpr auto hypers = optim::hypers(beta_softplus = 50);
  static constexpr auto slots = optim::slots();
  static constexpr Pass update_pass{true, false, false, true, false};

  template <class T>
  struct Scalars {
    T sharpness;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double) {
    return {T(h[beta_softplus])};
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T, State&, const Scalars<T>& c) {
    p = math::softplus(p, c.sharpness);
  }
};

}  // namespace optim::rules
