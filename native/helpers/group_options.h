// What a parameter group asks of the gradient and of the helpers before the rule sees it: the helpers of the plan, and
// what the hyper-parameters of its rule switch on. Listing a tag is all a rule does to offer it. A helper that the plan
// switches on takes the place of the rule's own, which acts at the same place in their order.
#pragma once

#include "core/config.h"
#include "core/hyper.h"
#include "helpers/settings.h"

namespace optim {

struct GroupOptions {
  double sign;    // -1: maximize
  double l2;      // coupled weight decay
  bool pre_norm;  // divide by (global norm + eps)
  double pre_norm_eps;
  double max_grad_norm;  // 0: not limited
  bool adanorm;
  double adanorm_r;
  double beta2;
  bool fixed_stable_decay;  // stable weight decay is not multiplied by the learning rate
  HelperSettings helpers;

  // What a step has to do besides the rule's passes, as Plan says of all groups.
  bool needs_products() const { return adanorm && l2 != 0; }  // of gradient and parameter
  bool needs_param_moments() const {
    return helpers.agc_clip_val > 0 || helpers.norm_loss_factor > 0 || needs_products();
  }
  bool needs_global_norm() const { return pre_norm || max_grad_norm > 0; }
  bool needs_moments() const {
    return needs_param_moments() || needs_global_norm() || adanorm || helpers.skip_nonfinite || helpers.clip_norm > 0 ||
           helpers.centralize || helpers.normalize;
  }
  bool needs_mapped_moments() const { return needs_global_norm() || adanorm || helpers.normalize; }
  bool needs_second_moment() const { return helpers.stable_weight_decay > 0; }
  OPTIM_FN bool maps_parameters() const { return helpers.stable_weight_decay > 0 || helpers.norm_loss_factor > 0; }
  bool maps_by_row() const {
    return helpers.agc_clip_val > 0 || helpers.centralize || helpers.norm_loss_factor > 0 ||
           (helpers.normalize && helpers.normalize_channels);
  }
  bool looks_ahead() const { return helpers.lookahead_k > 0; }
};

// stable: the rule's own decoupled weight decay is the stable one.
template <class H>
GroupOptions group_options(const H& h, bool stable, const HelperSettings& plan) {
  GroupOptions o{};
  o.sign = value_or(h, maximize, 0) != 0 ? -1 : 1;
  o.l2 = value_or(h, weight_decouple, 1) != 0 ? 0 : value_or(h, weight_decay, 0);
  o.pre_norm = value_or(h, pre_norm, 0) != 0;
  o.pre_norm_eps = value_or(h, eps, 0);
  o.max_grad_norm = value_or(h, max_grad_norm, 0);
  o.adanorm = value_or(h, adanorm, 0) != 0;
  o.adanorm_r = value_or(h, adanorm_r, 0);
  o.beta2 = value_or(h, beta2, 0);

  HelperSettings& helpers = o.helpers = plan;
  if (plan.agc_clip_val == 0) {
    helpers.agc_clip_val = value_or(h, agc_clipping_value, 0);
    helpers.agc_eps = value_or(h, agc_eps, plan.agc_eps);
  }
  if (!plan.centralize) {
    helpers.centralize = value_or(h, use_gc, value_or(h, centralize_gradients, 0)) != 0;
    helpers.centralize_conv_only = value_or(h, gc_conv_only, plan.centralize_conv_only) != 0;
  }
  helpers.normalize = plan.normalize || value_or(h, normalize_gradients, 0) != 0;
  if (plan.norm_loss_factor == 0) {
    helpers.norm_loss_factor = value_or(h, norm_loss_factor, 0);
    helpers.norm_loss_eps = value_or(h, eps, plan.norm_loss_eps);
  }
  if (plan.stable_weight_decay == 0 && stable) {
    helpers.stable_weight_decay = value_or(h, weight_decay, 0);
    o.fixed_stable_decay = value_or(h, fixed_decay, 0) != 0;
  }
  if (plan.lookahead_k == 0) {
    helpers.lookahead_k = static_cast<std::int32_t>(value_or(h, k, value_or(h, lookahead_merge_time, 0)));
    helpers.lookahead_alpha = value_or(h, alpha, value_or(h, lookahead_blending_alpha, plan.lookahead_alpha));
  }
  return o;
}

}  // namespace optim
