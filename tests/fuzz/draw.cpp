#include "draw.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace optim_fuzz {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool contains(const Hyper& hyper, double value) {
  const bool above = hyper.minimum_open ? value > hyper.minimum : value >= hyper.minimum;
  const bool below = hyper.maximum_open ? value < hyper.maximum : value <= hyper.maximum;
  return above && below && std::isfinite(value) && (hyper.kind == "real" || value == std::floor(value));
}

}  // namespace

double valid_value(Random& random, const Hyper& hyper, bool tame) {
  if (hyper.kind == "boolean") return static_cast<double>(random.between(0, 1));
  if (hyper.kind == "word") return static_cast<double>(random.between(0, static_cast<int64_t>(hyper.words.size()) - 1));
  if (hyper.kind == "integer") {
    const double most = std::min(hyper.maximum, tame || random.chance(0.5) ? hyper.minimum + 12 : 0x1p53 - 1);
    return static_cast<double>(random.between(static_cast<int64_t>(hyper.minimum), static_cast<int64_t>(most)));
  }
  std::vector<double> candidates{random.real(0, 1), random.real(0, 1), random.real(0, 2), hyper.minimum, hyper.maximum};
  if (std::isfinite(hyper.default_value)) {
    candidates.push_back(hyper.default_value);
    candidates.push_back(hyper.default_value * random.real(0.5, 1.5));
  }
  if (!tame) {
    for (double extreme : {1e-300, 1e-30, 1e30, 1e300}) candidates.push_back(extreme);
  }
  candidates.erase(
      std::remove_if(candidates.begin(), candidates.end(), [&](double value) { return !contains(hyper, value); }),
      candidates.end());
  return candidates.empty() ? hyper.default_value : random.pick(candidates);
}

double invalid_value(Random& random, const Hyper& hyper) {
  std::vector<double> candidates{std::nan(""), kInfinity, -kInfinity};
  if (std::isfinite(hyper.minimum)) {
    for (double below : {hyper.minimum - 1, std::nextafter(hyper.minimum, -kInfinity), -1e300})
      candidates.push_back(below);
    if (hyper.minimum_open) candidates.push_back(hyper.minimum);
  }
  if (std::isfinite(hyper.maximum)) {
    for (double above : {hyper.maximum + 1, std::nextafter(hyper.maximum, kInfinity), 1e300})
      candidates.push_back(above);
    if (hyper.maximum_open) candidates.push_back(hyper.maximum);
  }
  if (hyper.kind != "real") candidates.push_back(hyper.minimum + 0.5);
  return random.pick(candidates);
}

Shape draw_shape(Random& random, int64_t most, int64_t longest) {
  Shape shape;
  const int64_t rank = random.chance(0.05) ? OPTIM_MAX_RANK : random.between(0, 4);
  int64_t left = random.chance(0.1) ? most : std::min<int64_t>(most, 200);
  for (int64_t d = 0; d < rank; ++d) {
    const int64_t size = random.chance(0.2)    ? 1
                         : random.chance(0.03) ? 0
                                               : random.between(1, std::max<int64_t>(std::min(left, longest), 1));
    shape.push_back(size);
    left /= std::max<int64_t>(size, 1);
  }
  for (size_t d = shape.size(); d > 1; --d)
    std::swap(shape[d - 1], shape[static_cast<size_t>(random.between(0, static_cast<int64_t>(d) - 1))]);
  return shape;
}

Shape draw_strides(Random& random, const Shape& shape) {
  std::vector<size_t> order(shape.size());  // innermost first
  std::iota(order.rbegin(), order.rend(), size_t{0});
  for (size_t d = order.size(); d > 2; --d)
    std::swap(order[d - 2], order[static_cast<size_t>(random.between(0, static_cast<int64_t>(d) - 2))]);
  Shape strides(shape.size());
  int64_t stride = 1;
  for (size_t d : order) {
    strides[d] = shape[d] == 1 && random.chance(0.5) ? random.between(-3, 99) : stride;
    stride *= std::max<int64_t>(shape[d], 1);
  }
  return strides;
}

void spoil(Random& random, Values& values) {
  static const std::vector<double> kinds{std::nan(""), kInfinity, -kInfinity};
  if (values.empty()) return;
  for (int64_t n = random.between(1, 3); n > 0; --n)
    values[static_cast<size_t>(random.between(0, static_cast<int64_t>(values.size()) - 1))] = random.pick(kinds);
}

}  // namespace optim_fuzz
