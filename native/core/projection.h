// The projection of AdamP and SGDP (arXiv 2006.08217, section 3): for tensors of rank >= 2 whose gradient is nearly
// orthogonal to the weights, row by row or as a whole, the part of the step along the weights is taken out and the
// decay weakened. A rule that projects is a `struct NAME : Projected<NAME>` with
//
//   Scalars<T>            among them decay_rate, step_size, eps, delta, wd_ratio
//   advance(g, s, c)      updates the state
//   direction(g, s, c)    the step before the projection, of the state as it is after
//
// and `nesterov` among its hyper-parameters, without which the direction does not depend on g.
#pragma once

#include "core/rule.h"

namespace optim {

template <class Rule>
struct Projected {
  template <class T, class State, class Scalars>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars& c) {
    Rule::advance(g, s, c);
    p = (1 - c.decay_rate) * p - c.step_size * Rule::direction(g, s, c);
  }

  enum Sum { grad_param, grad_sq, param_sq, param_direction, aligned_rows };
  static constexpr int sum_count = 5;
  static constexpr Scope scope = Scope::row;
  static constexpr int reduced_rank = 2;

  static constexpr Pass gather_pass(const double*) { return {true, true, true, false, true}; }
  static constexpr Pass apply_pass(const double* values) {
    HypersOf<Rule> h = Rule::hypers;
    for (int i = 0; i < h.count; ++i) h.value[i] = values[i];
    return {true, h[nesterov] != 0, true, true, false};
  }

  template <class T, class State, class Scalars>
  OPTIM_FN static Terms<sum_count> gather(T p, T g, State& s, const Scalars& c) {
    Rule::advance(g, s, c);
    return {{product(g, p), product(g, g), product(p, p), product(p, Rule::direction(g, s, c)), 0}};
  }

  // Whether gradient and weights are not nearly orthogonal.
  template <class Scalars>
  OPTIM_FN static bool aligned(const double* sum, double length, const Scalars& c) {
    const double g = std::sqrt(sum[grad_sq]), p = std::sqrt(sum[param_sq]);
    const double cosine = quotient(std::fabs(sum[grad_param]), (g > c.eps ? g : c.eps) * (p > c.eps ? p : c.eps));
    return cosine >= c.delta / std::sqrt(length);
  }

  template <class State, class Scalars>
  OPTIM_FN static void close_row(double* sum, State&, const Scalars& c, const Extent& x) {
    sum[aligned_rows] = aligned(sum, static_cast<double>(x.row_length), c) ? 1 : 0;
  }

  template <class T>
  struct Factors {
    T decay, along;  // along: the coefficient of p in the projected direction
  };

  template <class T, class Scalars>
  OPTIM_FN static Factors<T> finish(const double* row, const double* tensor, const Scalars& c, const Extent& x) {
    const bool by_row = tensor[aligned_rows] == 0;
    if (!by_row && aligned(tensor, static_cast<double>(x.count), c)) return {T(1 - c.decay_rate), T(0)};
    const double* sum = by_row ? row : tensor;
    const double norm = std::sqrt(sum[param_sq]) + c.eps;
    return {T(1 - c.decay_rate * c.wd_ratio), T(quotient(sum[param_direction], norm * norm))};
  }

  template <class T, class State, class Scalars>
  OPTIM_FN static void apply(T& p, T g, const State& s, const Scalars& c, const Factors<T>& f) {
    const T u = Rule::direction(g, s, c) - f.along * p;
    p = f.decay * p - c.step_size * u;
  }
};

}  // namespace optim
