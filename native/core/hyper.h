// Hyper-parameters. A tag names one, with its range and its line of documentation; a rule lists the tags it has, with its own
// defaults, as `hypers(lr = 1e-3, beta1 = 0.9)`, and reads a value as `h[beta1]`.
#pragma once

#include "core/config.h"
#include "core/range.h"

namespace optim {

template <class Tag>
struct Default {
  double value;
};

template <class Self>
struct HyperTag {
  constexpr Default<Self> operator=(double value) const { return {value}; }
};

#define OPTIM_HYPER(NAME, RANGE, DOC)                 \
  struct NAME##_hyper : HyperTag<NAME##_hyper> {      \
    using HyperTag<NAME##_hyper>::operator=;          \
    static constexpr const char* name = #NAME;        \
    static constexpr const char* doc = DOC;           \
    static constexpr Range allowed = RANGE;           \
  };                                                  \
  OPTIM_TAG NAME##_hyper NAME {}

// Position of a type in a list; the length of the list if it is not there.
template <class Wanted, class... Types>
struct IndexOf;
template <class Wanted>
struct IndexOf<Wanted> {
  static constexpr int value = 0;
};
template <class Wanted, class... Rest>
struct IndexOf<Wanted, Wanted, Rest...> {
  static constexpr int value = 0;
};
template <class Wanted, class First, class... Rest>
struct IndexOf<Wanted, First, Rest...> {
  static constexpr int value = 1 + IndexOf<Wanted, Rest...>::value;
};

// The values of a rule's hyper-parameters for one parameter group, in schema order.
template <class... Tag>
struct Hypers {
  static constexpr int count = sizeof...(Tag);
  double value[count];

  template <class Wanted>
  static constexpr bool has = IndexOf<Wanted, Tag...>::value < count;

  template <class Wanted>
  OPTIM_FN constexpr double operator[](Wanted) const {
    static_assert(has<Wanted>, "the rule does not list this hyper-parameter");
    return value[IndexOf<Wanted, Tag...>::value];
  }
};

template <class... Tag>
constexpr Hypers<Tag...> hypers(Default<Tag>... defaults) {
  return {{defaults.value...}};
}

// The value of a hyper-parameter that a rule may or may not have.
template <class Wanted, class H>
OPTIM_FN double value_or(const H& h, Wanted wanted, double otherwise) {
  if constexpr (H::template has<Wanted>) {
    return h[wanted];
  } else {
    return otherwise;
  }
}

// Hyper-parameters that mean the same wherever a rule lists them. The first block of them acts on the gradient before the
// rule sees it (core/gradient.h), so that listing one is all a rule does to offer it.
OPTIM_HYPER(maximize, range::boolean(), "Step up the gradient instead of down.");
OPTIM_HYPER(use_gc, range::boolean(), "Centralize the gradient per row, for tensors of rank 2 or more.");
OPTIM_HYPER(pre_norm, range::boolean(), "Divide all gradients by their global norm.");
OPTIM_HYPER(max_grad_norm, range::at_least(0), "Largest global norm of the gradients; 0 does not limit it.");
OPTIM_HYPER(adanorm, range::boolean(), "Lift small gradients to their average norm in the first moment (AdaNorm, arXiv 2210.06364).");
OPTIM_HYPER(adanorm_r, range::half_open(0, 1), "Decay rate of AdaNorm's average gradient norm.");
OPTIM_HYPER(weight_decay, range::at_least(0), "Strength of the weight decay.");
OPTIM_HYPER(weight_decouple, range::boolean(), "Decay the parameter directly (AdamW) instead of adding to the gradient (L2).");

OPTIM_HYPER(lr, range::at_least(0), "Learning rate.");
OPTIM_HYPER(beta1, range::half_open(0, 1), "Decay rate of the first moment.");
OPTIM_HYPER(beta2, range::half_open(0, 1), "Decay rate of the second moment.");
OPTIM_HYPER(eps, range::at_least(0), "Added to the denominator.");
OPTIM_HYPER(momentum, range::half_open(0, 1), "Decay rate of the momentum.");
OPTIM_HYPER(dampening, range::closed(0, 1), "How much of the gradient the momentum leaves out.");
OPTIM_HYPER(nesterov, range::boolean(), "Look ahead along the momentum (Nesterov).");
OPTIM_HYPER(fixed_decay, range::boolean(), "Decoupled weight decay is not multiplied by the learning rate.");
OPTIM_HYPER(ams_bound, range::boolean(), "Divide by the running maximum of the second moment (AMSGrad).");
OPTIM_HYPER(adam_debias, range::boolean(), "Leave the first moment uncorrected (AdamD, arXiv 2110.10828).");
OPTIM_HYPER(n_sma_threshold, range::at_least(4), "Shortest length of the moving average that is rectified.");
OPTIM_HYPER(degenerated_to_sgd, range::boolean(), "Step with the first moment alone while the average is too short to rectify.");
OPTIM_HYPER(preconditioning_compute_steps, range::integer(1), "Steps between two computations of the inverse roots.");
OPTIM_HYPER(inverse_exponent_override, range::integer(0), "Root taken of every matrix; 0: twice the number of dimensions with matrices.");
OPTIM_HYPER(matrix_eps, range::above(0), "The matrices start as this times the unit matrix.");
OPTIM_HYPER(clamp, range::at_least(0), "Largest parameter norm in the trust ratio; 0 does not limit it.");

}  // namespace optim
