// Norm loss (arXiv 2103.06583): the gradient step on factor * sum over rows of (1 - |w|)^2 pulls every row to norm 1.
#pragma once

#include "core/config.h"

namespace optim {

// The factor on a row of the given norm.
OPTIM_FN double norm_loss(double norm, double lr, double factor, double eps) {
  return 1 - 2 * lr * factor * (1 - 1 / (norm + eps));
}

}  // namespace optim
