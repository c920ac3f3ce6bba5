// Moments of the gradient and the parameter over a row. Partial moments merge by Chan's formula, never as the sum of squares
// minus the squared mean, so a constant row has a second moment of exactly zero.
#pragma once

#include "core/config.h"

namespace optim {

struct Moments {
  double count;
  double mean;  // of the unscaled, value-clipped gradient
  double m2;    // its centred sum of squares
  double abs_sum;
  double abs_max;
  double nonfinite;  // elements of the gradient, before clipping by value, and of further inputs that are not finite
  double param_sum;
  double param_sq;
  double cross;  // sum of gradient times parameter

  OPTIM_FN void merge(const Moments& b) {
    if (b.count == 0) return;
    const double total = count + b.count;
    const double delta = b.mean - mean;
    m2 += b.m2 + delta * delta * (count * b.count / total);
    mean += delta * (b.count / total);
    count = total;
    abs_sum += b.abs_sum;
    abs_max = b.abs_max > abs_max ? b.abs_max : abs_max;
    nonfinite += b.nonfinite;
    param_sum += b.param_sum;
    param_sq += b.param_sq;
    cross += b.cross;
  }

  OPTIM_FN double sum_sq() const { return m2 + count * mean * mean; }
};

// The affine map of one row, g' = scale * (g - mean) and p' = param_scale * p, and what it makes of the moments.
struct RowMap {
  double scale;
  double mean;
  double param_scale;

  OPTIM_FN static RowMap identity() { return {1, 0, 1}; }

  OPTIM_FN double mapped_mean(const Moments& m) const { return scale * (m.mean - mean); }
  OPTIM_FN double mapped_m2(const Moments& m) const { return scale * scale * m.m2; }
  OPTIM_FN double mapped_sum_sq(const Moments& m) const {
    return mapped_m2(m) + m.count * mapped_mean(m) * mapped_mean(m);
  }
  // The sum of mapped gradient times parameter.
  OPTIM_FN double mapped_cross(const Moments& m) const { return scale * (m.cross - mean * m.param_sum); }
};

}  // namespace optim
