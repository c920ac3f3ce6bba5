// Building blocks that many rules share. Scalars are computed once a step, in double; powers by repeated
// multiplication, so that the host and every device get the same bits.
#pragma once

#include <cmath>

#include "core/config.h"
#include "core/hyper.h"
#include "core/math.h"
#include "core/slot.h"

namespace optim {

// base^n for a whole n >= 0.
OPTIM_FN double power(double base, double n) {
  double result = 1;
  for (auto bits = static_cast<unsigned long long>(n); bits != 0; bits >>= 1) {
    if (bits & 1) result *= base;
    base *= base;
  }
  return result;
}

// 1 - beta^t (Adam, section 3).
OPTIM_FN double correction(double beta, double t) { return 1 - power(beta, t); }

// lr / (1 - beta1^t), or lr with AdamD's adam_debias.
template <class H>
OPTIM_FN double debiased_lr(const H& h, double t) {
  return h[adam_debias] != 0 ? h[lr] : h[lr] / correction(h[beta1], t);
}

// The moving averages of the gradient and of its square (Adam, algorithm 1).
template <class T>
struct Averages {
  T beta1, add1, beta2, add2;

  template <class State>
  OPTIM_FN void advance(T g, State& s) const {
    s[exp_avg] = beta1 * s[exp_avg] + add1 * g;
    s[exp_avg_sq] = beta2 * s[exp_avg_sq] + add2 * (g * g);
  }
};

template <class T, class H>
OPTIM_FN Averages<T> averages(const H& h) {
  return {T(h[beta1]), T(1 - h[beta1]), T(h[beta2]), T(1 - h[beta2])};
}

// AMSGrad's running maximum of numbers >= 0: raises it and returns it, or without ams_bound the new number itself. A
// comparison of every element chooses between them, since a flag keeps compilers from vectorizing long updates.
template <class T>
struct RunningMaximum {
  T taken_above;  // -1 or infinity

  OPTIM_FN static RunningMaximum when(bool used) { return {T(used ? -1 : INFINITY)}; }

  OPTIM_FN T operator()(T value, T& maximum) const {
    maximum = maximum > value ? maximum : value;
    return maximum > taken_above ? maximum : value;
  }
};

template <class T, class H>
OPTIM_FN RunningMaximum<T> running_maximum(const H& h) {
  return RunningMaximum<T>::when(h[ams_bound] != 0);
}

// The strength of decoupled weight decay in one step: lr * weight_decay, or weight_decay with fixed_decay.
template <class H>
OPTIM_FN double decay_rate(const H& h) {
  return value_or(h, weight_decouple, 1) == 0 ? 0 : (h[fixed_decay] != 0 ? 1 : h[lr]) * h[weight_decay];
}

// The rectification of RAdam (arXiv 1908.03265, section 4.2). While the moving average is too short for it, steps go
// along the first moment alone with degenerated_to_sgd, and nowhere without.
struct Rectification {
  bool rectified, skipped;
  double factor;  // on the step: r_t, 1 or 0
};

template <class H>
OPTIM_FN Rectification rectification(const H& h, double t) {
  const double beta2_t = power(h[beta2], t);
  const double longest = 2 / (1 - h[beta2]) - 1;
  const double length = longest - 2 * t * beta2_t / (1 - beta2_t);
  if (!(length >= h[n_sma_threshold])) {
    const bool steps = h[degenerated_to_sgd] != 0;
    return {false, !steps, steps ? 1.0 : 0.0};
  }
  const double variance =
      (1 - beta2_t) * (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length);
  return {true, false, std::sqrt(variance)};
}

// The softplus transformation of a denominator (arXiv 1908.00700), of a rule that lists use_softplus.
template <class T>
struct Smoothing {
  T sharpness;
  bool on;

  OPTIM_FN T operator()(T denominator) const {
    return on ? math::softplus_of_positive(denominator, sharpness) : denominator;
  }
};

template <class T, class H>
OPTIM_FN Smoothing<T> smoothing(const H& h) {
  return {T(h[beta_softplus]), h[use_softplus] != 0};
}

// What the first moment is divided by: sqrt(v) + eps where rectified, 1 otherwise, also of a v that has overflowed.
template <class T>
struct RectifiedDenominator {
  T highest_root, offset;

  OPTIM_FN T operator()(T v) const {
    const T root = std::sqrt(v);
    return (root > highest_root ? highest_root : root) + offset;
  }
};

template <class T, class H>
OPTIM_FN RectifiedDenominator<T> rectified_denominator(const H& h, const Rectification& r) {
  return r.rectified ? RectifiedDenominator<T>{T(INFINITY), T(h[eps])} : RectifiedDenominator<T>{T(0), T(1)};
}

// Smoothing of that denominator; an infinite sharpness leaves a 1 as it is.
template <class T, class H>
OPTIM_FN Smoothing<T> smoothing(const H& h, const Rectification& r) {
  return {T(r.rectified ? h[beta_softplus] : INFINITY), h[use_softplus] != 0};
}

// Positive-negative momentum (arXiv 2103.17182, equation 5): ((1 + beta0) m - beta0 m') / norm of the weights, scaled.
template <class T>
struct PositiveNegative {
  T positive, negative;

  OPTIM_FN T operator()(T m, T resting) const { return positive * m - negative * resting; }
};

template <class T>
OPTIM_FN PositiveNegative<T> positive_negative(double beta0, double scale) {
  const double norm = std::sqrt((1 + beta0) * (1 + beta0) + beta0 * beta0);
  return {T(scale * (1 + beta0) / norm), T(scale * beta0 / norm)};
}

// The layer-wise factor on a step along u, |p| / |u| but 1 where a norm is 0 (LARS, arXiv 1708.03888).
OPTIM_FN double trust_ratio(double param_norm, double step_norm, double coefficient = 1) {
  return param_norm > 0 && step_norm > 0 ? coefficient * param_norm / step_norm : 1;
}

// A norm, limited by the hyper-parameter clamp.
OPTIM_FN double clamped(double norm, double limit) { return limit > 0 && norm > limit ? limit : norm; }

// A product that is exact for float: sums of squares must not carry the rounding of their terms.
template <class T>
OPTIM_FN double product(T a, T b) {
  return static_cast<double>(a) * static_cast<double>(b);
}

// 0 / 0 := 0
template <class T>
OPTIM_FN T quotient(T numerator, T denominator) {
  return denominator == 0 && numerator == 0 ? T(0) : numerator / denominator;
}

}  // namespace optim
