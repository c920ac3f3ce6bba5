// AdamW (arXiv 1711.05101): Adam with decoupled weight decay, on by default as in torch.optim.AdamW.
#pragma once

#include "optimizers/adam.h"

namespace optim::rules {

struct adamw : adam {
  static constexpr const char* title = "AdamW";
  static constexpr const char* paper = "Loshchilov, Hutter: Decoupled Weight Decay Regularization (2019)";
  static constexpr const char* url = "https://arxiv.org/abs/1711.05101";
  static constexpr const char* summary = "Adam with decoupled weight decay: p -= lr weight_decay p + Adam's step.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2, weight_decouple = true,
                    fixed_decay = false, ams_bound = false, adam_debias = false, maximize = false, use_softplus = false,
                    beta_softplus = 50);
};

}  // namespace optim::rules
