// Clipping by the global norm, as torch.nn.utils.clip_grad_norm_: a norm that is not finite lets no gradient through as it is. An infinite
// one leaves 0, and NaN of what was infinite; one that is NaN leaves NaN. (Clipping by value is part of GradientMap.)
#pragma once

#include <cmath>

#include "core/moments.h"
#include "helpers/settings.h"

namespace optim {

// The norm of type 1, 2 or infinity over all gradients, from their merged moments.
OPTIM_FN double global_norm(const Moments& all, double type) {
  const bool finite = all.abs_sum - all.abs_sum == 0;
  if (all.nonfinite > 0 && !finite) return all.abs_sum;  // infinite or NaN, as any norm would be; clipping by value may mend it
  return type == 1 ? all.abs_sum : type == 2 ? std::sqrt(all.sum_sq()) : all.abs_max;
}

OPTIM_FN double clip_factor(double norm, double max_norm, double eps) {
  const double factor = max_norm / (norm + eps);
  return factor >= 1 ? 1 : factor;  // NaN for a norm that is NaN
}

}  // namespace optim
