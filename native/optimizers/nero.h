// Nero (arXiv 2102.07227), from the paper's equations: rows of weights stay centred with norm 1, and each unit (a row; a single
// element of a vector) moves by a fixed fraction of its size along its normalized gradient. eps is 0, with 0/0 := 0.
#pragma once

#include "core/rule.h"

namespace optim::rules {

inline namespace nero_tags {
OPTIM_HYPER(beta, range::half_open(0, 1), "Decay rate of the squared norm of a unit's gradient.");
OPTIM_HYPER(constraints, range::boolean(), "Keep rows of weights centred with norm 1.");
OPTIM_SLOT(exp_avg_sq, unit, zero, none, "Moving average of the squared norm of a unit's gradient.");
OPTIM_SLOT(scale, scalar, zero, none, "Mean norm of the units before the first step.");
}  // namespace nero_tags

struct nero {
  struct init;

  static constexpr const char* title = "Nero";
  static constexpr const char* paper =
      "Liu, Bernstein, Meister, Yue: Learning by Turning: Neural Architecture Aware Optimisation (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2102.07227";
  static constexpr const char* summary =
      "Per-neuron relative steps on balanced weights: p -= lr scale g / |g|, then centred with norm 1.";

  static constexpr auto hypers = optim::hypers(lr = 0.01, beta = 0.999, eps = 0, constraints = true, maximize = false);
  static constexpr auto slots = optim::slots(exp_avg_sq, scale);

  template <class T>
  struct Scalars {
    T beta, add, eps, root_correction, step_size;
    bool constraints;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    Scalars<T> c{};
    c.beta = T(h[beta]);
    c.add = T(1 - h[beta]);
    c.eps = T(h[eps]);
    c.root_correction = T(std::sqrt(correction(h[beta], t)));
    c.step_size = T(h[lr]);
    c.constraints = h[constraints] != 0;
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State& s, const TensorFacts&) {
    c.step_size *= T(s[scale]);
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    T& v = s[exp_avg_sq];
    v = c.beta * v + c.add * (g * g);
    p = p - c.step_size * quotient(g, std::sqrt(v) / c.root_correction + c.eps);
  }

  enum Sum { grad_sq, grad_sum, param_sq, param_sum, grad_param, second_moment };
  static constexpr int sum_count = 6;
  static constexpr Scope scope = Scope::row;
  static constexpr bool rows_alone = true;
  static constexpr int reduced_rank = 2;

  static constexpr Pass gather_pass(const double*) { return {true, true, false, false, false}; }
  static constexpr Pass apply_pass(const double*) { return {true, true, false, true, false}; }

  template <class T, class State>
  OPTIM_FN static Terms<sum_count> gather(T p, T g, State&, const Scalars<T>&) {
    return {{product(g, g), double(g), product(p, p), double(p), product(g, p), 0}};
  }

  template <class State>
  OPTIM_FN static void close_row(double* sum, State& s, const Scalars<double>& c, const Extent&) {
    s[exp_avg_sq] = c.beta * s[exp_avg_sq] + c.add * sum[grad_sq];
    sum[second_moment] = s[exp_avg_sq];
  }

  // p := (p - step g - mean) * inverse_norm, where the centred row has norm 1.
  template <class T>
  struct Factors {
    T step, mean, inverse_norm;
  };

  // The norm of a row about its mean, from its sums; 0 where only rounding is left of a constant row.
  OPTIM_FN static double centred_norm(double sum, double sum_sq, double length) {
    const double centred = sum_sq - sum * sum / length;
    return centred > 1e-13 * sum_sq ? std::sqrt(centred) : 0;
  }

  // The sums of the new row follow from those of the old one, so that the constraint needs no third pass.
  template <class T>
  OPTIM_FN static Factors<T> finish(const double* row, const double*, const Scalars<double>& c, const Extent& x) {
    const double denominator = std::sqrt(row[second_moment]) / c.root_correction + c.eps;
    const double step = denominator > 0 ? c.step_size / denominator : 0;
    if (!c.constraints) return {T(step), T(0), T(1)};
    const double length = static_cast<double>(x.row_length);
    const double sum = row[param_sum] - step * row[grad_sum];
    const double sum_sq = row[param_sq] - 2 * step * row[grad_param] + step * step * row[grad_sq];
    return {T(step), T(sum / length), T(inverse(centred_norm(sum, sum_sq, length), c))};
  }

  OPTIM_FN static double inverse(double norm, const Scalars<double>& c) { return norm > 0 ? 1 / (norm + c.eps) : 0; }

  template <class T, class State>
  OPTIM_FN static void apply(T& p, T g, const State&, const Scalars<T>&, const Factors<T>& f) {
    p = (p - f.step * g - f.mean) * f.inverse_norm;
  }
};

// Once, before the first step: the constraint, and the mean norm of the units it leaves.
struct nero::init : nero {
  enum Sum { param_sum, param_sq, abs_sum, unit_norms };
  static constexpr int sum_count = 4;
  static constexpr int reduced_rank = 0;

  static constexpr Pass gather_pass(const double*) { return {true, false, false, false, false}; }
  static constexpr Pass apply_pass(const double*) { return {true, false, false, true, false}; }

  template <class T, class State>
  OPTIM_FN static Terms<sum_count> gather(T p, T, State&, const Scalars<T>&) {
    return {{double(p), product(p, p), std::fabs(double(p)), 0}};
  }

  OPTIM_FN static bool projects(const Scalars<double>& c, const Extent& x) { return c.constraints && x.rank >= 2; }

  template <class State>
  OPTIM_FN static void close_row(double* sum, State&, const Scalars<double>& c, const Extent& x) {
    const double norm = centred_norm(sum[param_sum], sum[param_sq], static_cast<double>(x.row_length));
    sum[unit_norms] = projects(c, x) ? norm * inverse(norm, c) : x.rank >= 2 ? std::sqrt(sum[param_sq]) : sum[abs_sum];
  }

  template <class State>
  OPTIM_FN static void close_tensor(double* sum, State& s, const Scalars<double>&, const Extent& x) {
    const double mean = sum[unit_norms] / static_cast<double>(x.rank >= 2 ? x.rows : x.count);
    s[scale] = mean == 0 ? 0.01 : mean;
  }

  template <class T>
  OPTIM_FN static Factors<T> finish(const double* row, const double*, const Scalars<double>& c, const Extent& x) {
    if (!projects(c, x)) return {T(0), T(0), T(1)};
    const double length = static_cast<double>(x.row_length);
    return {T(0), T(row[param_sum] / length), T(inverse(centred_norm(row[param_sum], row[param_sq], length), c))};
  }
};

}  // namespace optim::rules
