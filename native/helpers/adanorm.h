// AdaNorm (arXiv 2210.06364): a gradient shorter than the moving average of its norm enters the first moment stretched to it.
#pragma once

#include "core/config.h"

namespace optim {

// Updates the average and returns the factor on the gradient in the first moment.
OPTIM_FN double adanorm_factor(double& average, double norm, double decay) {
  average = decay * average + (1 - decay) * norm;
  return norm > 0 && average > norm ? average / norm : 1;
}

}  // namespace optim
