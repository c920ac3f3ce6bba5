// Stable weight decay (arXiv 2011.11152): decoupled decay divided by the root of the mean corrected second moment of all parameters.
#pragma once

#include <cmath>

#include "core/config.h"

namespace optim {

// The root mean square that divides; 0 while all gradients were zero.
OPTIM_FN double second_moment_rms(double sum, double correction, double count) {
  return sum > 0 ? std::sqrt(sum / (correction * count)) : 0;
}

// The factor on every parameter.
OPTIM_FN double stable_decay(double rms, double lr, double weight_decay) {
  return rms > 0 ? 1 - lr * weight_decay / rms : 1;
}

}  // namespace optim
