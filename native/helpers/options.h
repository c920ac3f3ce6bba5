// The options of a plan's helpers in the vocabulary of hyper-parameters: the members of optim_helpers (optim.h), by
// name. The default is what a 0 stands for there.
#pragma once

#include "core/hyper.h"
#include "helpers/settings.h"

namespace optim::helper_options {

OPTIM_HYPER(skip_nonfinite, range::boolean(),
            "Skip the whole step where an element of the gradient is not finite, as found_inf does.");
OPTIM_HYPER(centralize, range::boolean(),
            "Centralize the gradient per row, for tensors of rank 2 or more (arXiv 2004.01461).");
OPTIM_HYPER(centralize_conv_only, range::boolean(), "Centralize only tensors of rank 4 or more.");
OPTIM_HYPER(normalize, range::boolean(),
            "Divide the gradient by its standard deviation (n - 1) over the tensor, of more than 2 elements.");
OPTIM_HYPER(normalize_channels, range::boolean(),
            "Normalize per row instead, for tensors of rank 2 or more; rows have 2 elements or more.");
OPTIM_HYPER(lookahead_k, range::integer(0, 2147483647),
            "Steps between two blends with the slow weights (Lookahead, arXiv 1907.08610); 0 = off.");
OPTIM_HYPER(lookahead_pullback, range::one_of("none", "reset", "pullback"), "What a blend does to the first moment.");
OPTIM_HYPER(clip_value, range::at_least(0),
            "Largest absolute value of an element of the gradient; 0 does not limit it.");
OPTIM_HYPER(clip_norm, range::at_least(0),
            "Largest global norm of the gradients, which are scaled by min(1, clip_norm / (norm + clip_norm_eps)); 0 "
            "does not limit it.");
OPTIM_HYPER(clip_norm_type, range::closed(1, range::unbounded), "The norm of clip_norm: 1, 2 or infinity.");
OPTIM_HYPER(clip_norm_eps, range::at_least(0), "Added to the norm that clip_norm is divided by.");
OPTIM_HYPER(agc_clip_val, range::at_least(0),
            "Largest ratio of a row's gradient norm to its norm (AGC, arXiv 2102.06171); 0 = off.");
OPTIM_HYPER(agc_division_eps, range::at_least(0), "Smallest norm of a row's gradient that AGC divides by.");
OPTIM_HYPER(normalize_eps, range::at_least(0), "Added to the standard deviation that normalize divides by.");
OPTIM_HYPER(stable_weight_decay, range::at_least(0),
            "Decoupled weight decay, divided by the root mean second moment (arXiv 2011.11152); 0 = off.");
OPTIM_HYPER(norm_loss_eps, range::at_least(0), "Added to the norm that norm loss divides by.");
OPTIM_HYPER(lookahead_alpha, range::closed(0, 1), "Weight of the fast weights in a blend.");

constexpr HelperSettings defaults{};

constexpr auto all =
    hypers(skip_nonfinite = defaults.skip_nonfinite, centralize = defaults.centralize,
           centralize_conv_only = defaults.centralize_conv_only, normalize = defaults.normalize,
           normalize_channels = defaults.normalize_channels, lookahead_k = defaults.lookahead_k,
           lookahead_pullback = static_cast<int>(defaults.pullback), clip_value = defaults.clip_value,
           clip_norm = defaults.clip_norm, clip_norm_type = defaults.clip_norm_type,
           clip_norm_eps = defaults.clip_norm_eps, agc_clip_val = defaults.agc_clip_val, agc_eps = defaults.agc_eps,
           agc_division_eps = defaults.agc_division_eps, normalize_eps = defaults.normalize_eps,
           stable_weight_decay = defaults.stable_weight_decay, norm_loss_factor = defaults.norm_loss_factor,
           norm_loss_eps = defaults.norm_loss_eps, lookahead_alpha = defaults.lookahead_alpha);

}  // namespace optim::helper_options
