// Lookahead (arXiv 1907.08610): every k steps the slow weights move towards the fast ones, which then restart from there; the
// first moment is kept, reset, or pulled back to its own slow average.
#pragma once

#include "core/config.h"
#include "helpers/settings.h"

namespace optim {

template <class T>
struct LookaheadBlend {
  T alpha;
  Pullback pullback;

  // momentum is the rule's first moment at this element; slow_momentum is used only by Pullback::pullback.
  OPTIM_FN void apply(T& param, T& slow, T& momentum, T& slow_momentum) const {
    slow = slow + alpha * (param - slow);
    param = slow;
    if (pullback == Pullback::reset) momentum = 0;
    if (pullback == Pullback::pullback) {
      slow_momentum = alpha * momentum + (1 - alpha) * slow_momentum;
      momentum = slow_momentum;
    }
  }
};

OPTIM_FN bool lookahead_due(double t, int k) { return k > 0 && static_cast<long long>(t) % k == 0; }

}  // namespace optim
