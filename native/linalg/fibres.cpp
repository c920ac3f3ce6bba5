#include "linalg/fibres.h"

namespace optim::linalg {

Fibres fibres(const MatrixView& view, const MatrixBlock& block, int dimension) {
  Fibres result{};
  result.n = static_cast<std::int32_t>(block.size[dimension]);
  result.count = 1;
  std::int64_t stride = 1;
  for (int i = view.rank - 1; i >= 0; stride *= view.shape[i], --i) {
    result.begin += block.begin[i] * stride;
    if (i == dimension) {
      result.step = stride;
      continue;
    }
    result.count *= block.size[i];
    if (block.size[i] == 1) continue;
    const int last = result.digits - 1;
    if (last >= 0 && result.stride[last] * result.size[last] == stride) {
      result.size[last] *= block.size[i];
    } else {
      result.size[result.digits] = block.size[i];
      result.stride[result.digits++] = stride;
    }
  }
  if (result.digits == 0) result.size[result.digits++] = 1;
  return result;
}

bool Fibres::operator==(const Fibres& other) const {
  bool same =
      n == other.n && digits == other.digits && step == other.step && count == other.count && begin == other.begin;
  for (int d = 0; same && d < digits; ++d) same = size[d] == other.size[d] && stride[d] == other.stride[d];
  return same;
}

}  // namespace optim::linalg
