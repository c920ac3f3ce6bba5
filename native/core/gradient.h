// How a gradient and a parameter reach a rule. All helpers, the loss scale, `maximize` and coupled weight decay together are one
// affine map per row:  g' = scale * (clip(unscale * g) - mean) + l2 * p,  p' = param_scale * p.
#pragma once

#include "core/bits.h"

namespace optim {

template <class T>
struct GradientMap {
  T unscale;      // 1 / loss scale
  T clip;         // bound of clipping by value; infinity without
  T scale;        // a_r
  T mean;         // m_r
  T l2;           // coupled weight decay; 0 adds nothing, not even 0 times a parameter that is not finite
  T param_scale;  // c_r

  OPTIM_FN T clipped(T g) const {
    g *= unscale;
    g = g > clip ? clip : g;
    return g < -clip ? -clip : g;
  }

  OPTIM_FN void apply(T& p, T& g) const {
    g = scale * (clipped(g) - mean);
    g = choose(l2 != 0, g + l2 * p, g);
    p = param_scale * p;
  }
};

}  // namespace optim
