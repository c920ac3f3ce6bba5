// Gradient centralization (arXiv 2004.01461): each row of the gradient loses its mean.
#pragma once

#include "core/extent.h"
#include "core/moments.h"

namespace optim {

OPTIM_FN void centralize_row(RowMap& map, const Moments& row, const Extent& tensor, bool conv_only) {
  if (tensor.rank > (conv_only ? 3 : 1)) map.mean = row.mean;
}

}  // namespace optim
