// LARS (arXiv 1708.03888), by default with the decay of the weights inside the norm of the step, as
// facebookresearch/mae and MoCo v3 have it; the paper adds up two norms. Tensors of rank 0 and 1 take plain steps
// without decay.
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace lars_tags {
OPTIM_HYPER(trust_coefficient, range::at_least(0), "Factor on the ratio of the weights' norm and that of their step.");
OPTIM_HYPER(trust_rule, range::one_of("decayed", "paper"),
            "Norm of the step: |g + weight_decay p|, or |g| + weight_decay |p|.");
}  // namespace lars_tags

struct lars {
  enum TrustRule { decayed, as_paper };

  static constexpr const char* title = "LARS";
  static constexpr const char* paper = "You, Gitman, Ginsburg: Large Batch Training of Convolutional Networks (2017)";
  static constexpr const char* url = "https://arxiv.org/abs/1708.03888";
  static constexpr const char* summary =
      "SGD with momentum, layer-wise scaled: d = tau |p| / |g + wd p| (g + wd p), b = mu b + d, p -= lr b.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, momentum = 0.9, dampening = 0, nesterov = false, weight_decay = 0,
                    trust_coefficient = 1e-3, trust_rule = decayed, maximize = false);
  static constexpr auto slots = optim::slots(momentum_buffer.when(momentum));

  template <class T>
  struct Scalars {
    T lr, momentum, add, weight_decay, trust_coefficient;
    T inner_decay, outer_decay;  // weight decay within the norm of the step, and beside it
    bool nesterov;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double) {
    const bool within = h[trust_rule] == decayed;
    Scalars<T> c{};
    c.lr = T(h[lr]);
    c.momentum = T(h[momentum]);
    c.add = T(1 - h[dampening]);
    c.weight_decay = T(h[weight_decay]);
    c.trust_coefficient = T(h[trust_coefficient]);
    c.inner_decay = within ? c.weight_decay : T(0);
    c.outer_decay = within ? T(0) : c.weight_decay;
    c.nesterov = h[nesterov] != 0;
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T d, State& s, const Scalars<T>& c) {
    T& b = s[momentum_buffer];
    b = c.momentum * b + c.add * d;
    const T u = c.momentum == 0 ? d : c.nesterov ? d + c.momentum * b : b;
    p = p - c.lr * u;
  }

  enum Sum { param_sq, step_sq };
  static constexpr int sum_count = 2;
  static constexpr Scope scope = Scope::tensor;
  static constexpr int reduced_rank = 2;

  static constexpr Pass gather_pass(const double*) { return {true, true, false, false, false}; }
  static constexpr Pass apply_pass(const double*) { return {true, true, true, true, true}; }

  template <class T, class State>
  OPTIM_FN static Terms<sum_count> gather(T p, T g, State&, const Scalars<T>& c) {
    const T d = g + c.inner_decay * p;
    return {{product(p, p), product(d, d)}};
  }

  template <class T>
  struct Factors {
    T trust;
  };

  template <class T>
  OPTIM_FN static Factors<T> finish(const double*, const double* tensor, const Scalars<double>& c, const Extent&) {
    const double param_norm = std::sqrt(tensor[param_sq]);
    const double step_norm = std::sqrt(tensor[step_sq]) + c.outer_decay * param_norm;
    return {T(trust_ratio(param_norm, step_norm, c.trust_coefficient))};
  }

  template <class T, class State>
  OPTIM_FN static void apply(T& p, T g, State& s, const Scalars<T>& c, const Factors<T>& f) {
    update(p, f.trust * (g + c.weight_decay * p), s, c);
  }
};

}  // namespace optim::rules
