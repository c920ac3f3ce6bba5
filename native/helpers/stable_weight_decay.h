// Stable weight decay (arXiv 2011.11152): decoupled decay divided by the root of the mean corrected second moment of all parameters.
// Groups may differ in beta2 and in steps, so each part of the sum has the correction of its own group.
#pragma once

#include <cmath>

#include "core/blocks.h"
#include "core/config.h"

namespace optim {

// A part of the sum over the second moment, all of one group.
OPTIM_FN double corrected_second_moment(double sum, double beta2, double t) { return sum / correction(beta2, t); }

// The root mean square that divides, of the corrected sum; 0 while all gradients were zero.
OPTIM_FN double second_moment_rms(double sum, double count) { return sum > 0 ? std::sqrt(sum / count) : 0; }

// The factor on every parameter.
OPTIM_FN double stable_decay(double rms, double lr, double weight_decay) {
  return rms > 0 ? 1 - lr * weight_decay / rms : 1;
}

}  // namespace optim
