// Building blocks that many rules share. Scalars are computed once a step, in double; powers by repeated multiplication, so
// that the host and every device get the same bits.
#pragma once

#include <cmath>

#include "core/config.h"
#include "core/hyper.h"

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

// The strength of decoupled weight decay in one step: lr * weight_decay, or weight_decay with fixed_decay.
template <class H>
OPTIM_FN double decay_rate(const H& h) {
  return value_or(h, weight_decouple, 1) == 0 ? 0 : (h[fixed_decay] != 0 ? 1 : h[lr]) * h[weight_decay];
}

// The rectification of RAdam (arXiv 1908.03265, section 4.2).
struct Rectification {
  bool rectified;  // the moving average is long enough
  double factor;   // r_t; 1 where not rectified
};

template <class H>
OPTIM_FN Rectification rectification(const H& h, double t) {
  const double beta2_t = power(h[beta2], t);
  const double longest = 2 / (1 - h[beta2]) - 1;
  const double length = longest - 2 * t * beta2_t / (1 - beta2_t);
  if (!(length >= h[n_sma_threshold])) return {false, 1};
  const double variance = (1 - beta2_t) * (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length);
  return {true, std::sqrt(variance)};
}

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
