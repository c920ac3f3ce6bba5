// How a gradient and a parameter reach a rule. All helpers, the loss scale, `maximize` and coupled weight decay together are one
// affine map per row:  g' = scale * (clip(unscale * g) - mean) + l2 * p,  p' = param_scale * p.
#pragma once

#include "core/config.h"
#include "core/hyper.h"

namespace optim {

template <class T>
struct GradientMap {
  T unscale;      // 1 / loss scale
  T clip;         // bound of clipping by value; infinity without
  T scale;        // a_r
  T mean;         // m_r
  T l2;           // coupled weight decay
  T param_scale;  // c_r

  OPTIM_FN T clipped(T g) const {
    g *= unscale;
    g = g > clip ? clip : g;
    return g < -clip ? -clip : g;
  }

  OPTIM_FN void apply(T& p, T& g) const {
    g = scale * (clipped(g) - mean) + l2 * p;
    p = param_scale * p;
  }
};

// What the hyper-parameters of a group ask of the gradient before the rule sees it (block G of the specification).
struct GradientOptions {
  double sign;           // -1: maximize
  double l2;             // coupled weight decay
  bool centralize;       // use_gc
  bool pre_norm;         // divide by (global norm + eps)
  double pre_norm_eps;
  double max_grad_norm;  // 0: not limited
  bool adanorm;
  double adanorm_r;
  double lr;
  double beta2;
};

template <class H>
OPTIM_FN GradientOptions gradient_options(const H& h) {
  GradientOptions o{};
  o.sign = value_or(h, maximize, 0) != 0 ? -1 : 1;
  o.l2 = value_or(h, weight_decouple, 1) != 0 ? 0 : value_or(h, weight_decay, 0);
  o.centralize = value_or(h, use_gc, 0) != 0;
  o.pre_norm = value_or(h, pre_norm, 0) != 0;
  o.pre_norm_eps = value_or(h, eps, 0);
  o.max_grad_norm = value_or(h, max_grad_norm, 0);
  o.adanorm = value_or(h, adanorm, 0) != 0;
  o.adanorm_r = value_or(h, adanorm_r, 0);
  o.lr = value_or(h, lr, 0);
  o.beta2 = value_or(h, beta2, 0);
  return o;
}

}  // namespace optim
