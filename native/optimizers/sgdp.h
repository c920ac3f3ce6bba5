// SGDP (arXiv 2006.08217): SGD with momentum and the projection of AdamP. As in the paper, and unlike the authors' code
// without nesterov, only the step is projected, not the momentum that is kept. Dampening acts from the first step on.
#pragma once

#include "core/projection.h"

namespace optim::rules {

inline namespace sgdp_tags {
OPTIM_SLOT(momentum, param, zero, first_moment, "Momentum.");
}  // namespace sgdp_tags

struct sgdp : Projected<sgdp> {
  static constexpr const char* title = "SGDP";
  static constexpr const char* paper =
      "Heo et al.: AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2006.08217";
  static constexpr const char* summary =
      "SGD without the growth of scale-invariant weights: b = mu b + g, u = b - (b . p^) p^, p -= lr u.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, optim::momentum = 0, dampening = 0, eps = 1e-8, weight_decay = 0, fixed_decay = false,
                    delta = 0.1, wd_ratio = 0.1, nesterov = false, maximize = false);
  static constexpr auto slots = optim::slots(momentum);

  template <class T>
  struct Scalars {
    T decay_rate, step_size, eps, delta, wd_ratio;
    T keep, add;
    T ahead_b, ahead_g;  // the direction: b, or g + mu b
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double) {
    const double mu = h[optim::momentum];
    Scalars<T> c{};
    c.decay_rate = T(decay_rate(h) / (1 - mu));
    c.step_size = T(h[lr]);
    c.eps = T(h[eps]);
    c.delta = T(h[delta]);
    c.wd_ratio = T(h[wd_ratio]);
    c.keep = T(mu);
    c.add = T(1 - h[dampening]);
    c.ahead_b = T(h[nesterov] != 0 ? mu : 1);
    c.ahead_g = T(h[nesterov] != 0 ? 1 : 0);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void advance(T g, State& s, const Scalars<T>& c) {
    s[momentum] = c.keep * s[momentum] + c.add * g;
  }

  template <class T, class State>
  OPTIM_FN static T direction(T g, const State& s, const Scalars<T>& c) {
    return c.ahead_b * s[momentum] + c.ahead_g * g;
  }
};

}  // namespace optim::rules
