// Shampoo (arXiv 1802.09568) on general tensors: one preconditioner per dimension, exponent -1/(2 order) as in the paper, statistics
// from the raw gradient, momentum averaged before preconditioning (tensorflow's contrib Shampoo).
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace shampoo_tags {
OPTIM_SLOT(pre_cond, matrix, identity, none, "Sum over the steps of the gradient's Gram matrix along one dimension.");
OPTIM_SLOT(inv_pre_cond, matrix, zero, none, "Inverse root of pre_cond, as last computed.");
}  // namespace shampoo_tags

struct shampoo {
  static constexpr const char* title = "Shampoo";
  static constexpr const char* paper =
      "Gupta, Koren, Singer: Shampoo: Preconditioned Stochastic Tensor Optimization (2018)";
  static constexpr const char* url = "https://arxiv.org/abs/1802.09568";
  static constexpr const char* summary =
      "Preconditions along every dimension: H_j += G_j G_j^T, p -= lr G x_j H_j^(-1/2k).";

  static constexpr auto hypers = optim::hypers(lr = 1e-3, momentum = 0, weight_decay = 0, weight_decouple = false,
                                               fixed_decay = false, preconditioning_compute_steps = 1,
                                               inverse_exponent_override = 0, matrix_eps = 1e-4, maximize = false);
  static constexpr auto slots = optim::slots(pre_cond, inv_pre_cond, momentum_buffer.when(momentum));
  static constexpr int max_dimension = 8192;

  template <class T>
  struct Scalars {
    T lr, decay, momentum, keep, add;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double) {
    Scalars<T> c{};
    c.lr = T(h[lr]);
    c.decay = T(1 - decay_rate(h));
    c.momentum = c.keep = T(h[momentum]);
    c.add = T(1 - h[momentum]);
    return c;
  }

  // The momentum starts as the first gradient itself.
  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State&, const TensorFacts& tensor) {
    if (!tensor.first_step) return;
    c.keep = 0;
    c.add = 1;
  }

  enum Stage { refresh_roots };

  template <class H>
  OPTIM_FN static unsigned due(const H& h, double t, bool first_step) {
    const auto interval = static_cast<long long>(h[preconditioning_compute_steps]);
    return (first_step || (static_cast<long long>(t) - 1) % interval == 0) ? 1u << refresh_roots : 0u;
  }

  template <class Builder, class H>
  static void program(Builder& run, const H& h, const MatrixView& view) {
    const double root = h[inverse_exponent_override] > 0 ? h[inverse_exponent_override] : 2 * view.rank;
    for (int j = 0; j < view.rank; ++j) {
      run.add_gram(pre_cond, j, 1, 1);
      run.inverse_root(inv_pre_cond, pre_cond, j, root, Floor{h[matrix_eps]}, refresh_roots);
    }
    for (int j = 0; j < view.rank; ++j) run.contract(inv_pre_cond, j);
  }

  template <class T, class State>
  OPTIM_FN static T direct(T, T g, State& s, const Scalars<T>& c) {
    T& m = s[momentum_buffer];
    m = c.keep * m + c.add * g;
    return c.momentum > 0 ? m : g;
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T u, State&, const Scalars<T>& c) {
    p = c.decay * p - c.lr * u;
  }
};

}  // namespace optim::rules
