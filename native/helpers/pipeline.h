// How the helpers compose. One read of the gradients gives the moments of every row; the stages below turn them into one affine
// map per row, in the order stated at optim_helpers in optim.h. Each stage works on one row or one tensor, or once on the totals;
// engines run them in turn:
//
//   row moments -> totals -> begin -> row -> tensor -> [totals of the mapped gradient] -> finish -> adanorm -> GradientMap
#pragma once

#include "core/blocks.h"
#include "core/extent.h"
#include "core/gradient.h"
#include "core/moments.h"
#include "helpers/adanorm.h"
#include "helpers/agc.h"
#include "helpers/centralization.h"
#include "helpers/clipping.h"
#include "helpers/group_options.h"
#include "helpers/norm_loss.h"
#include "helpers/normalization.h"
#include "helpers/settings.h"
#include "helpers/stable_weight_decay.h"

namespace optim {

// What holds for all tensors in one step.
struct GlobalFacts {
  double norm;           // of the unscaled gradients, by clip_norm_type
  double nonfinite;      // how many elements of gradients and further inputs are not finite
  double clip;           // factor of clipping by the global norm
  double mapped_sum_sq;  // of the gradients after all helpers
  double second_moment;  // sum over all parameters, after this step's update and corrected
  double count;          // elements with a gradient
};

// What holds for one tensor: the factor of gradient normalization, the norm of the gradient that the rule will see, AdaNorm.
struct TensorMap {
  double scale;
  double sum_sq;  // of the mapped gradient
  double cross;   // of the mapped gradient and the parameter
  double param_sq;
  double adanorm;

  OPTIM_FN static TensorMap identity() { return {1, 0, 0, 0, 1}; }
};

// From the merged moments of all rows.
OPTIM_FN void begin_global(GlobalFacts& facts, const Moments& all, const HelperSettings& settings) {
  facts.norm = global_norm(all, settings.clip_norm_type);
  facts.nonfinite = all.nonfinite;
  facts.count = all.count;
  facts.clip = settings.clip_norm > 0 ? clip_factor(facts.norm, settings.clip_norm, settings.clip_norm_eps) : 1;
}

// Everything that needs the moments of one row only.
OPTIM_FN RowMap row_stage(const Moments& row, const Extent& tensor, const GlobalFacts& facts,
                          const GroupOptions& options) {
  const HelperSettings& settings = options.helpers;
  RowMap map = RowMap::identity();
  map.scale = facts.clip;
  if (settings.agc_clip_val > 0) adaptive_clip(map, row, settings);
  if (settings.centralize) centralize_row(map, row, tensor, settings.centralize_conv_only);
  if (normalizes_rows(tensor, settings)) map.scale *= normalization(row.count, map.mapped_m2(row), settings);
  return map;
}

// Gathers what the tensor stage needs of one row; merged over the rows of a tensor.
OPTIM_FN Moments mapped_moments(const Moments& row, const RowMap& map) {
  Moments m{};
  m.count = row.count;
  m.mean = map.mapped_mean(row);
  m.m2 = map.mapped_m2(row);
  m.param_sq = row.param_sq;
  m.cross = map.mapped_cross(row);
  return m;
}

OPTIM_FN TensorMap tensor_stage(const Moments& mapped, const Extent& tensor, const HelperSettings& settings) {
  TensorMap map = TensorMap::identity();
  if (normalizes_tensor(tensor, settings)) map.scale = normalization(mapped.count, mapped.m2, settings);
  map.sum_sq = map.scale * map.scale * mapped.sum_sq();
  map.cross = map.scale * mapped.cross;
  map.param_sq = mapped.param_sq;
  return map;
}

// The factor that a rule's own pre_norm or max_grad_norm asks for (block G3 of the specification).
OPTIM_FN double global_scale(const GlobalFacts& facts, const GroupOptions& options) {
  if (!options.pre_norm && options.max_grad_norm == 0) return 1;
  const double norm = std::sqrt(facts.mapped_sum_sq);
  if (options.pre_norm) return 1 / (norm + options.pre_norm_eps);
  return norm > options.max_grad_norm ? options.max_grad_norm / norm : 1;
}

// AdaNorm reads the gradient as the rule does, coupled weight decay included; `average` is its state.
OPTIM_FN void adanorm_stage(TensorMap& map, double& average, const GlobalFacts& facts, const GroupOptions& options) {
  const double factor = options.sign * global_scale(facts, options);
  double sum_sq = factor * factor * map.sum_sq;
  if (options.l2 != 0) sum_sq += 2 * factor * options.l2 * map.cross + options.l2 * options.l2 * map.param_sq;
  map.adanorm = adanorm_factor(average, std::sqrt(sum_sq > 0 ? sum_sq : 0), options.adanorm_r);
}

// The factor on a row of the parameter: stable weight decay, then norm loss on what it left. lr is the learning rate of the step.
OPTIM_FN double param_stage(const Moments& row, const GlobalFacts& facts, const GroupOptions& options, double lr) {
  const HelperSettings& settings = options.helpers;
  double factor = 1;
  if (settings.stable_weight_decay > 0) {
    const double rms = second_moment_rms(facts.second_moment, facts.count);
    factor = stable_decay(rms, options.fixed_stable_decay ? 1 : lr, settings.stable_weight_decay);
  }
  if (settings.norm_loss_factor > 0) {
    const double norm = std::fabs(factor) * std::sqrt(row.param_sq);
    factor *= norm_loss(norm, lr, settings.norm_loss_factor, settings.norm_loss_eps);
  }
  return factor;
}

// The map of one row in the arithmetic of the step.
template <class T>
OPTIM_FN GradientMap<T> gradient_map(const RowMap& row, double tensor_scale, const GlobalFacts& facts,
                                     const GroupOptions& options, T unscale, T clip) {
  GradientMap<T> map;
  map.unscale = unscale;
  map.clip = clip;
  map.scale = T(options.sign * row.scale * tensor_scale * global_scale(facts, options));
  map.mean = T(row.mean);
  map.l2 = T(options.l2);
  map.param_scale = T(row.param_scale);
  return map;
}

}  // namespace optim
