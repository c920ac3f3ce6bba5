// AdaHessian (arXiv 2006.00719): Adam on an estimate of the Hessian's diagonal in place of the squared gradient's root. The caller hands
// the estimate in (z * Hz of a Rademacher probe z, say; its sign does not matter), at every step or now and then: the bias of its
// average is corrected by how often it came. Decoupled decay by default; kernels of convolutions are averaged as in the authors' code.
#pragma once

#include "core/math.h"
#include "core/rule.h"

namespace optim::rules {

inline namespace adahessian_tags {
OPTIM_HYPER(hessian_power, range::half_open_below(0, 1), "Power of the Hessian in the denominator.");
OPTIM_HYPER(spatial_average, range::one_of("none", "conv", "full", "block"),
            "What shares one curvature: elements, kernels of convolutions, those and rows of matrices, or blocks.");
OPTIM_HYPER(block_size, range::integer(0), "Elements of a block, for spatial_average = block.");
OPTIM_SLOT(exp_hessian_diag_sq, param, zero, none, "Moving average of the squared Hessian diagonal.");
OPTIM_SLOT(hessian, param, zero, input, "Estimate of the Hessian's diagonal.");
}  // namespace adahessian_tags

struct adahessian {
  enum SpatialAverage { none, conv, full, block };

  static constexpr const char* title = "AdaHessian";
  static constexpr const char* paper =
      "Yao et al.: ADAHESSIAN: An Adaptive Second Order Optimizer for Machine Learning (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2006.00719";
  static constexpr const char* summary =
      "Adam with the Hessian's diagonal D as second moment: v = E[D^2], p -= lr m^ / (v^^(k/2) + eps).";

  static constexpr auto hypers =
      optim::hypers(lr = 0.15, beta1 = 0.9, beta2 = 0.999, eps = 1e-4, hessian_power = 1, spatial_average = conv,
                    block_size = 0, weight_decay = 0, weight_decouple = true, fixed_decay = false, adam_debias = false,
                    maximize = false, use_softplus = false, beta_softplus = 50);
  static constexpr auto slots = optim::slots(exp_avg, exp_hessian_diag_sq, hessian);

  template <class H>
  static constexpr const char* check(const H& h) {
    return h[spatial_average] == block && h[block_size] < 1 ? "spatial_average = block needs block_size >= 1" : nullptr;
  }

  template <class H>
  static const char* check_tensor(const H& h, const Layout& tensor) {
    if (!tensor.row_major && unit_length(h, tensor) > 1) return "spatial_average needs row-major strides";
    if (h[spatial_average] != block || tensor.extent.count % static_cast<std::int64_t>(h[block_size]) == 0)
      return nullptr;
    return "the number of its elements is not a multiple of block_size";
  }

  // Elements whose magnitudes are averaged: those behind the first two dimensions, of a row, or of a block.
  template <class H>
  static std::int64_t unit_length(const H& h, const Layout& tensor) {
    if (h[spatial_average] == block) return static_cast<std::int64_t>(h[block_size]);
    if (h[spatial_average] == none || tensor.extent.count == 0) return 1;
    if (tensor.rank >= 3) return tensor.extent.row_length / tensor.shape[1];
    return h[spatial_average] == full && tensor.rank == 2 ? tensor.extent.row_length : 1;
  }

  template <class T>
  struct Scalars {
    Smoothing<T> smoothing;
    T decay, beta1, add1, beta2, add2, eps, step_size, debias2, hessian_power;
    bool given;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t, const InputFacts& inputs) {
    Scalars<T> c{};
    c.decay = T(1 - decay_rate(h));
    c.beta1 = T(h[beta1]);
    c.add1 = T(1 - h[beta1]);
    c.given = inputs.given;
    c.beta2 = T(inputs.given ? h[beta2] : 1);
    c.add2 = T(inputs.given ? 1 - h[beta2] : 0);
    c.eps = T(h[eps]);
    c.step_size = T(debiased_lr(h, t));
    c.debias2 = T(inputs.steps > 0 ? 1 / correction(h[beta2], inputs.steps) : 0);
    c.hessian_power = T(h[hessian_power]);
    c.smoothing = smoothing<T>(h);
    return c;
  }

  // One element whose curvature is d.
  template <class T, class State>
  OPTIM_FN static void step(T& p, T g, T d, State& s, const Scalars<T>& c) {
    T& m = s[exp_avg];
    T& v = s[exp_hessian_diag_sq];
    m = c.beta1 * m + c.add1 * g;
    v = c.beta2 * v + c.add2 * (d * d);
    const T root = std::sqrt(v * c.debias2);
    const T size = c.hessian_power == 1 ? root : math::power(root, c.hessian_power);
    p = c.decay * p - c.step_size * m / c.smoothing(size + c.eps);
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    step(p, g, c.given ? s[hessian] : T(0), s, c);
  }

  static constexpr int sum_count = 1;
  static constexpr Scope scope = Scope::row;
  static constexpr bool rows_alone = true;
  static constexpr int reduced_rank = 0;

  static constexpr Pass gather_pass(const double*) { return {false, false, false, false, false, true}; }
  static constexpr Pass apply_pass(const double*) { return {true, true, true, true, true, false}; }

  template <class T, class State>
  OPTIM_FN static Terms<sum_count> gather(T, T, State& s, const Scalars<T>& c) {
    return {{c.given ? static_cast<double>(math::magnitude(s[hessian])) : 0}};
  }

  template <class T>
  struct Factors {
    T mean;
  };

  template <class T>
  OPTIM_FN static Factors<T> finish(const double* unit, const double*, const Scalars<double>&, const Extent& x) {
    return {T(unit[0] / static_cast<double>(x.row_length))};
  }

  template <class T, class State>
  OPTIM_FN static void apply(T& p, T g, State& s, const Scalars<T>& c, const Factors<T>& f) {
    step(p, g, f.mean, s, c);
  }
};

}  // namespace optim::rules
