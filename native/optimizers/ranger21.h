// Ranger21 (arXiv 2106.13731): AdamW with positive-negative momentum and a softplus denominator, on gradients that are adaptively
// clipped, centralized and normalized, with stable weight decay, norm loss, a schedule of its own and Lookahead. All but the first
// two are helpers that the rule switches on by listing their hyper-parameters. As the second author's flax code, beta0 acts and the
// running maximum is a true one; beta0 = 1, amsgrad = false gives the published PyTorch code's trajectories but for its normaliser.
#pragma once

#include "core/rule.h"
#include "schedules/ranger21_schedule.h"

namespace optim::rules {

inline namespace ranger21_tags {
OPTIM_HYPER(beta0, range::closed(0, 1), "Weight of the negative momentum.");
OPTIM_HYPER(amsgrad, range::boolean(), "Divide by the running maximum of the second moment.");
OPTIM_HYPER(disable_lr_scheduler, range::boolean(), "Keep the learning rate: no warm-up and no warm-down.");
OPTIM_SLOT(grad_ma, param, zero, none, "Moving average of the gradient that odd steps advance.");
OPTIM_SLOT(neg_grad_ma, param, zero, none, "Moving average of the gradient that even steps advance.");
OPTIM_SLOT(variance_ma, param, zero, second_moment, "Moving average of the squared gradient.");
OPTIM_SLOT(max_variance_ma, param, zero, none, "Running maximum of variance_ma.");
OPTIM_SLOT(lookahead_params, param, param, slow_params, "Slow weights.");
}  // namespace ranger21_tags

struct ranger21 {
  static constexpr const char* title = "Ranger21";
  static constexpr const char* paper = "Wright, Demeure: Ranger21: a synergistic deep learning optimizer (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2106.13731";
  static constexpr const char* summary =
      "AdamW, positive-negative, with AGC, centralization, softplus, stable decay, norm loss, schedule and Lookahead.";

  static constexpr auto hypers =
      optim::hypers(num_iterations = 0, lr = 1e-3, beta0 = 0.9, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, amsgrad = true,
                    use_softplus = true, beta_softplus = 50, disable_lr_scheduler = false, num_warm_up_iterations = -1,
                    num_warm_down_iterations = -1, warm_down_min_lr = 3e-5, agc_clipping_value = 1e-2, agc_eps = 1e-3,
                    centralize_gradients = true, normalize_gradients = true, lookahead_merge_time = 5,
                    lookahead_blending_alpha = 0.5, weight_decay = 1e-4, weight_decouple = true, fixed_decay = false,
                    norm_loss_factor = 1e-4, adam_debias = false, maximize = false);
  static constexpr auto slots = optim::slots(grad_ma, neg_grad_ma, variance_ma, max_variance_ma.when(amsgrad),
                                             lookahead_params.when(lookahead_merge_time));
  static constexpr auto alternating = alternate(slots, grad_ma, neg_grad_ma);
  static constexpr bool stable_weight_decay = true;

  template <class H>
  static constexpr const char* check(const H& h) {
    return h[weight_decouple] == 0 ? "weight_decouple = false is not defined: Ranger21's decay is the stable one"
                                   : nullptr;
  }

  template <class H>
  OPTIM_FN static double learning_rate(const H& h, double t) {
    return h[disable_lr_scheduler] != 0 ? h[lr] : schedules::ranger21_schedule::value(h, t);
  }

  template <class T>
  struct Scalars {
    PositiveNegative<T> direction;  // times the step size
    RunningMaximum<T> maximum;
    Smoothing<T> smoothing;
    T beta1, add1, beta2, add2, eps, root_debias2;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    const double beta1_sq = h[beta1] * h[beta1];
    const double rate = learning_rate(h, t);
    Scalars<T> c{};
    c.direction = positive_negative<T>(h[beta0], h[adam_debias] != 0 ? rate : rate / correction(h[beta1], t));
    c.maximum = RunningMaximum<T>::when(h[amsgrad] != 0);
    c.beta1 = T(beta1_sq);
    c.add1 = T(1 - beta1_sq);
    c.beta2 = T(h[beta2]);
    c.add2 = T(1 - h[beta2]);
    c.eps = T(h[eps]);
    c.root_debias2 = T(1 / std::sqrt(correction(h[beta2], t)));
    c.smoothing = smoothing<T>(h);
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    T& m = s[grad_ma];
    T& v = s[variance_ma];
    m = c.beta1 * m + c.add1 * g;
    v = c.beta2 * v + c.add2 * (g * g);
    const T root = std::sqrt(c.maximum(v, s[max_variance_ma])) * c.root_debias2 + c.eps;
    p = p - c.direction(m, s[neg_grad_ma]) / c.smoothing(root);
  }
};

}  // namespace optim::rules
