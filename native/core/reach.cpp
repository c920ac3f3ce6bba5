#include "core/reach.h"

#include <algorithm>

#include "core/plan.h"

namespace optim {
namespace {

Reach reach_of(const GroupOptions& options) {
  if (options.needs_global_norm() || options.needs_second_moment()) return Reach::all;
  const bool normalizes_tensors = options.helpers.normalize && !options.helpers.normalize_channels;
  if (options.adanorm || normalizes_tensors) return Reach::tensor;
  return options.maps_by_row() ? Reach::row : Reach::element;
}

Reach reach_of(const Reduction& reduction) {
  if (reduction.scope == Scope::all) return Reach::all;
  return reduction.scope == Scope::row && reduction.rows_alone ? Reach::row : Reach::tensor;
}

}  // namespace

Reach default_reach(const RuleInfo& rule) {
  Reach reach = reach_of(rule.group_options(default_hypers(rule).data(), HelperSettings{}));
  if (rule.shape == Shape::matrix) reach = std::max(reach, Reach::tensor);
  if (rule.reduction != nullptr) reach = std::max(reach, reach_of(*rule.reduction));
  return reach;
}

}  // namespace optim
