// PNM (arXiv 2103.17182), as zeke-xie/Positive-Negative-Momentum. beta2 is the paper's beta_0.
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace pnm_tags {
OPTIM_HYPER(beta2, range::at_least(0),
            "Weight of the negative momentum: how much the gradient's noise is raised (beta_0).");
OPTIM_SLOT(pos_momentum, param, zero, none, "Momentum that odd steps advance.");
OPTIM_SLOT(neg_momentum, param, zero, none, "Momentum that even steps advance.");
}  // namespace pnm_tags

struct pnm {
  static constexpr const char* title = "PNM";
  static constexpr const char* paper =
      "Xie et al.: Positive-Negative Momentum: Manipulating Stochastic Gradient Noise to Improve Generalization (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2103.17182";
  static constexpr const char* summary =
      "Momentum less its older twin, for more gradient noise: p -= lr ((1 + b0) m - b0 m') / norm.";

  static constexpr auto hypers = optim::hypers(lr = 1e-3, beta1 = 0.9, beta2 = 1, weight_decay = 0,
                                               weight_decouple = true, fixed_decay = false, maximize = false);
  static constexpr auto slots = optim::slots(pos_momentum, neg_momentum);
  static constexpr auto alternating = alternate(slots, pos_momentum, neg_momentum);

  template <class T>
  struct Scalars {
    T decay, beta1, add1;
    PositiveNegative<T> direction;  // times the learning rate
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double) {
    const double beta1_sq = h[beta1] * h[beta1];
    Scalars<T> c{};
    c.decay = T(1 - decay_rate(h));
    c.beta1 = T(beta1_sq);
    c.add1 = T(1 - beta1_sq);
    c.direction = positive_negative<T>(h[beta2], h[lr]);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    s[pos_momentum] = c.beta1 * s[pos_momentum] + c.add1 * g;
    p = c.decay * p - c.direction(s[pos_momentum], s[neg_momentum]);
  }
};

}  // namespace optim::rules
