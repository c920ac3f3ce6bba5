// Gradient normalization (lessw2020/Ranger21): division by the standard deviation, with divisor n - 1, of a row or a tensor.
#pragma once

#include <cmath>

#include "core/extent.h"
#include "core/moments.h"
#include "helpers/settings.h"

namespace optim {

OPTIM_FN bool normalizes_rows(const Extent& tensor, const HelperSettings& settings) {
  return settings.normalize && settings.normalize_channels && tensor.rank > 1;
}

OPTIM_FN bool normalizes_tensor(const Extent& tensor, const HelperSettings& settings) {
  return settings.normalize && !normalizes_rows(tensor, settings) && tensor.count > 2;
}

OPTIM_FN double normalization(double count, double m2, const HelperSettings& settings) {
  return 1 / (std::sqrt(m2 / (count - 1)) + settings.normalize_eps);
}

}  // namespace optim
