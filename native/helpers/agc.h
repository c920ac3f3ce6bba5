// Adaptive gradient clipping (arXiv 2102.06171, section 4): the norm of a row of the gradient is held to agc_clip_val times the
// norm of the same row of the parameter.
#pragma once

#include <cmath>

#include "core/moments.h"
#include "helpers/settings.h"

namespace optim {

OPTIM_FN void adaptive_clip(RowMap& map, const Moments& row, const HelperSettings& settings) {
  const double param_norm = std::sqrt(row.param_sq);
  const double limit = settings.agc_clip_val * (param_norm > settings.agc_eps ? param_norm : settings.agc_eps);
  const double norm = std::sqrt(map.mapped_sum_sq(row));
  if (norm > limit) map.scale *= limit / (norm > settings.agc_division_eps ? norm : settings.agc_division_eps);
}

}  // namespace optim
