// Hyper-parameters. A tag names one, with its range and its line of documentation; a rule lists the tags it has, with its
// own defaults, as `hypers(lr = 1e-3, beta1 = 0.9)`, and reads a value as `h[beta1]`. With `base_lr = lr` the default is 0,
// and 0 stands for the value of lr when the plan is made.
#pragma once

#include <limits>

#include "core/config.h"
#include "core/range.h"

namespace optim {

template <class Tag>
struct Default {
  double value;
  const char* like;  // the hyper-parameter whose value 0 stands for; null: 0 is 0
};

template <class Self>
struct HyperTag {
  constexpr Default<Self> operator=(double value) const { return {value, nullptr}; }
  template <class Other>
  constexpr Default<Self> operator=(const HyperTag<Other>&) const {
    return {0, Other::name};
  }
};

// The default of a hyper-parameter whose value must be given.
constexpr double no_default = std::numeric_limits<double>::quiet_NaN();

// OPTIM_HYPER(NAME, RANGE, DOC, SPELLING...): the spellings are what other libraries call it, and clients take those too.
#define OPTIM_HYPER(NAME, RANGE, ...)                     \
  struct NAME##_hyper : HyperTag<NAME##_hyper> {          \
    using HyperTag<NAME##_hyper>::operator=;              \
    static constexpr const char* name = #NAME;            \
    static constexpr const char* texts[] = {__VA_ARGS__}; \
    static constexpr const char* doc = texts[0];          \
    static constexpr Range allowed = RANGE;               \
  };                                                      \
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
  double value[count > 0 ? count : 1];
  const char* like[count > 0 ? count : 1];

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
  return {{defaults.value...}, {defaults.like...}};
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

// Hyper-parameters that mean the same wherever a rule lists them. The first block acts on the gradient before the rule sees it, or on
// the parameter (helpers/group_options.h), so that listing one is all a rule does to offer it.
OPTIM_HYPER(maximize, range::boolean(), "Step up the gradient instead of down.");
OPTIM_HYPER(use_gc, range::boolean(), "Centralize the gradient per row, for tensors of rank 2 or more.");
OPTIM_HYPER(gc_conv_only, range::boolean(), "use_gc centralizes only tensors of rank 4 or more.");
OPTIM_HYPER(agc_clipping_value, range::at_least(0),
            "Largest ratio of a row's gradient norm to its norm (AGC, arXiv 2102.06171); 0 = off.");
OPTIM_HYPER(agc_eps, range::at_least(0), "Smallest norm of a row that AGC reckons with.");
OPTIM_HYPER(centralize_gradients, range::boolean(), "Centralize the gradient per row, for tensors of rank 2 or more.");
OPTIM_HYPER(normalize_gradients, range::boolean(), "Divide the gradient by its standard deviation over the tensor.");
OPTIM_HYPER(norm_loss_factor, range::at_least(0),
            "Strength of the pull of every row's norm to 1 (arXiv 2103.06583); 0 = off.");
OPTIM_HYPER(k, range::integer(1), "Steps between two blends with the slow weights (Lookahead, arXiv 1907.08610).");
OPTIM_HYPER(alpha, range::closed(0, 1), "Weight of the fast weights in a blend.");
OPTIM_HYPER(lookahead_merge_time, range::integer(0),
            "Steps between two blends with the slow weights (Lookahead); 0 = off.");
OPTIM_HYPER(lookahead_blending_alpha, range::closed(0, 1), "Weight of the fast weights in a blend.");
OPTIM_HYPER(pre_norm, range::boolean(), "Divide all gradients by their global norm.");
OPTIM_HYPER(max_grad_norm, range::at_least(0), "Largest global norm of the gradients; 0 does not limit it.");
OPTIM_HYPER(adanorm, range::boolean(),
            "Lift small gradients to their average norm in the first moment (AdaNorm, arXiv 2210.06364).");
OPTIM_HYPER(adanorm_r, range::half_open(0, 1), "Decay rate of AdaNorm's average gradient norm.");
OPTIM_HYPER(weight_decay, range::at_least(0), "Strength of the weight decay.");
OPTIM_HYPER(weight_decouple, range::boolean(),
            "Decay the parameter directly (AdamW) instead of adding to the gradient (L2).", "decoupled",
            "decouple_decay", "decoupled_weight_decay");

OPTIM_HYPER(lr, range::at_least(0), "Learning rate.");
OPTIM_HYPER(beta1, range::half_open(0, 1), "Decay rate of the first moment.");
OPTIM_HYPER(beta2, range::half_open(0, 1), "Decay rate of the second moment.");
OPTIM_HYPER(eps, range::at_least(0), "Added to the denominator.");
OPTIM_HYPER(momentum, range::half_open(0, 1), "Decay rate of the momentum.");
OPTIM_HYPER(dampening, range::closed(0, 1), "How much of the gradient the momentum leaves out.");
OPTIM_HYPER(nesterov, range::boolean(), "Look ahead along the momentum (Nesterov).");
OPTIM_HYPER(fixed_decay, range::boolean(), "Decoupled weight decay is not multiplied by the learning rate.");
OPTIM_HYPER(ams_bound, range::boolean(), "Divide by the running maximum of the second moment (AMSGrad).", "amsgrad",
            "amsbound");
OPTIM_HYPER(adam_debias, range::boolean(), "Leave the first moment uncorrected (AdamD, arXiv 2110.10828).",
            "adamd_debias_term");
OPTIM_HYPER(n_sma_threshold, range::at_least(4), "Shortest length of the moving average that is rectified.");
OPTIM_HYPER(degenerated_to_sgd, range::boolean(),
            "Step with the first moment alone while the average is too short to rectify.");
OPTIM_HYPER(delta, range::at_least(0), "Cosine, times the root of the length, below which a step is projected.");
OPTIM_HYPER(wd_ratio, range::closed(0, 1), "Factor on the weight decay of projected steps.");
OPTIM_HYPER(use_softplus, range::boolean(), "Smooth the denominator by softplus (arXiv 1908.00700).");
OPTIM_HYPER(beta_softplus, range::above(0), "Sharpness of the softplus.");
OPTIM_HYPER(num_iterations, range::integer(0), "Number of steps of the whole training; 0 = without end.");
OPTIM_HYPER(num_warm_up_iterations, range::integer(-1),
            "Number of steps of the warm-up; -1 derives it from beta2 and num_iterations.");
OPTIM_HYPER(num_warm_down_iterations, range::integer(-1),
            "Number of steps of the warm-down; -1 takes the last 28% of num_iterations.");
OPTIM_HYPER(warm_down_min_lr, range::at_least(0), "Learning rate that the warm-down does not go below.");
OPTIM_HYPER(preconditioning_compute_steps, range::integer(1), "Steps between two computations of the inverse roots.");
OPTIM_HYPER(inverse_exponent_override, range::integer(0),
            "Root taken of every matrix; 0: twice the number of dimensions with matrices.");
OPTIM_HYPER(matrix_eps, range::above(0), "The matrices start as this times the unit matrix.");
OPTIM_HYPER(clamp, range::at_least(0), "Largest parameter norm in the trust ratio; 0 does not limit it.");

}  // namespace optim
