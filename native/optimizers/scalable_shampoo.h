// Scalable Shampoo (arXiv 2002.09018; google-research scalable_shampoo): Shampoo in blocks, with roots every so many
// steps and the length of the step grafted from a simpler optimizer. Follows the JAX code where ports to PyTorch depart
// from it: the Nesterov step leaves the momentum alone, vectors are preconditioned, the ridge never enters the
// statistics. As in Meta's code the first roots are taken when preconditioning starts, whatever the interval.
#pragma once

#include "core/rule.h"

namespace optim::rules {

OPTIM_HYPER(beta2, range::closed(0, 1), "Decay rate of the statistics; 1 sums them.");
OPTIM_HYPER(moving_average_for_momentum, range::boolean(), "Multiply what is added to the momentum by 1 - beta1.");
OPTIM_HYPER(decoupled_weight_decay, range::boolean(), "Decay the parameter directly instead of adding to the update.");
OPTIM_HYPER(decoupled_learning_rate, range::boolean(),
            "Multiply the step by lr, instead of the update before the momentum.");
OPTIM_HYPER(start_preconditioning_step, range::integer(0),
            "First step along the preconditioned direction; before, the graft's.");
OPTIM_HYPER(statistics_compute_steps, range::integer(1), "Steps between two updates of the statistics.");
OPTIM_HYPER(block_size, range::integer(-1), "Dimensions are cut at multiples of this; 0 or less: not cut.");
OPTIM_HYPER(skip_preconditioning_rank_lt, range::integer(0), "Tensors of a lower rank are not preconditioned.");
OPTIM_HYPER(no_preconditioning_for_layers_with_dim_gt, range::integer(0),
            "Tensors with a larger dimension are not preconditioned.");
OPTIM_HYPER(shape_interpretation, range::boolean(), "Merge neighbouring dimensions up to block_size elements.");
OPTIM_HYPER(graft_type, range::one_of("none", "sgd", "adagrad", "rmsprop", "sqrtn"),
            "Whose update gives the step its length.");
OPTIM_HYPER(pre_conditioner_type, range::one_of("all", "input", "output"),
            "Dimensions with matrices: all, all but the last, the last.");
OPTIM_HYPER(diagonal_eps, range::at_least(0), "Added to the denominator of the adagrad and rmsprop grafts.");
OPTIM_HYPER(compute_roots_at_start, range::boolean(), "Take the roots at start_preconditioning_step too.");
OPTIM_SLOT(momentum, param, zero, first_moment, "Momentum of the updates.");
OPTIM_SLOT(graft_momentum, param, zero, none, "Momentum of the graft's updates.");
OPTIM_SLOT(graft_statistics, param, zero, none, "Sum (adagrad) or moving average (rmsprop) of the squared gradient.");
OPTIM_SLOT(statistics, matrix, identity, none, "Sum or moving average of a block's Gram matrix along one dimension.");
OPTIM_SLOT(preconditioners, matrix, unit, none, "Inverse root of statistics, as last computed.");

struct scalable_shampoo {
  static constexpr const char* title = "Scalable Shampoo";
  static constexpr const char* paper =
      "Anil, Gupta, Koren, Regan, Singer: Scalable Second Order Optimization for Deep Learning (2020)";
  static constexpr const char* url = "https://arxiv.org/abs/2002.09018";
  static constexpr const char* summary =
      "Shampoo in blocks, of grafted length: S_j = b2 S_j + (1-b2) G_j G_j^T, u = G x_j S_j^(-1/2k), p -= lr u |graft| "
      "/ |u|.";

  enum Graft { none, sgd, adagrad, rmsprop, sqrtn };
  enum Dimensions { all, input, output };

  static constexpr auto hypers = optim::hypers(
      lr = 1e-3, beta1 = 0.9, beta2 = 0.999, moving_average_for_momentum = false, weight_decay = 0,
      decoupled_weight_decay = false, decoupled_learning_rate = true, inverse_exponent_override = 0,
      start_preconditioning_step = 25, preconditioning_compute_steps = 1000, statistics_compute_steps = 1,
      block_size = 512, skip_preconditioning_rank_lt = 1, no_preconditioning_for_layers_with_dim_gt = 8192,
      shape_interpretation = true, graft_type = sgd, pre_conditioner_type = all, nesterov = true, diagonal_eps = 1e-10,
      matrix_eps = 1e-6, compute_roots_at_start = true, maximize = false);
  static constexpr auto slots =
      optim::slots(momentum, graft_momentum.when_one_of<adagrad, rmsprop>(graft_type),
                   graft_statistics.when_one_of<adagrad, rmsprop>(graft_type), statistics, preconditioners);
  static constexpr int max_dimension = 8192;

  // ---- Which matrices a tensor has

  // Neighbouring dimensions become one as long as it has no more than block_size elements; dimensions of 1 vanish.
  static MatrixView merged(int rank, const std::int64_t* shape, std::int64_t most) {
    MatrixView view;
    view.rank = 0;
    std::int64_t run = 1;
    const auto emit = [&] {
      if (run > 1) view.shape[static_cast<std::size_t>(view.rank++)] = run;
    };
    for (int i = 0; i < rank; ++i) {
      if (run * shape[i] <= most) {
        run *= shape[i];
      } else {
        emit();
        run = shape[i];
      }
    }
    emit();
    if (view.rank == 0) view.shape[static_cast<std::size_t>(view.rank++)] = 1;
    return view;
  }

  template <class H>
  static MatrixView view(const H& h, int rank, const std::int64_t* shape) {
    MatrixView view = h[shape_interpretation] != 0 ? merged(rank, shape, static_cast<std::int64_t>(h[block_size]))
                                                   : whole_view(rank, shape);
    view.block = h[block_size] > 0 ? static_cast<std::int64_t>(h[block_size]) : 0;
    const unsigned every = (1u << view.rank) - 1, last = 1u << (view.rank - 1);
    const bool is_vector = view.rank == 1;
    view.dimensions = h[pre_conditioner_type] == all || is_vector ? every
                      : h[pre_conditioner_type] == input          ? every & ~last
                                                                  : last;
    if (rank < 1 || rank < h[skip_preconditioning_rank_lt]) view.dimensions = 0;
    for (int i = 0; i < rank; ++i) {
      if (static_cast<double>(shape[i]) > h[no_preconditioning_for_layers_with_dim_gt]) view.dimensions = 0;
    }
    return view;
  }

  // ---- The preconditioned direction

  enum Stage { update_statistics, refresh_roots, precondition };

  template <class H>
  OPTIM_FN static bool grafts_own_momentum(const H& h) {
    return h[graft_type] == adagrad || h[graft_type] == rmsprop;
  }

  template <class H>
  OPTIM_FN static unsigned due(const H& h, double t, bool) {
    const auto step = static_cast<long long>(t), start = static_cast<long long>(h[start_preconditioning_step]);
    const auto interval = static_cast<long long>(h[preconditioning_compute_steps]);
    const bool at_start = h[compute_roots_at_start] != 0;
    const bool roots = step % interval == 0 || (at_start && step == start);
    // Until the first roots the preconditioners are unit matrices; and until the start only a momentum of the
    // preconditioned direction's own asks for it.
    const bool rooted = step >= interval || (at_start && step >= start);
    const bool wanted = step >= start || grafts_own_momentum(h);
    unsigned stages = 0;
    if (step % static_cast<long long>(h[statistics_compute_steps]) == 0) stages |= 1u << update_statistics;
    if (roots) stages |= 1u << refresh_roots;
    if (rooted && wanted) stages |= 1u << precondition;
    return stages;
  }

  template <class Builder, class H>
  static void program(Builder& run, const H& h, const MatrixView& view) {
    const double root = h[inverse_exponent_override] > 0 ? h[inverse_exponent_override] : 2 * view.count();
    const double add = h[beta2] == 1 ? 1 : 1 - h[beta2];
    for (int j = 0; j < view.rank; ++j) {
      if (!view.has(j)) continue;
      run.add_gram(statistics, j, h[beta2], add, update_statistics);
      run.inverse_root(preconditioners, statistics, j, root, Ridge{h[matrix_eps]}, refresh_roots);
    }
    for (int j = 0; j < view.rank; ++j) {
      if (view.has(j)) run.contract(preconditioners, j, precondition);
    }
  }

  // ---- The step

  template <class T>
  struct Scalars {
    T lr, decay, l2, beta1, add, statistics_keep, statistics_add, eps, multiplier;
    int graft;
    bool runs, own_momentum, nesterov, preconditioned;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double t) {
    Scalars<T> c{};
    const bool decoupled = h[decoupled_weight_decay] != 0;
    c.graft = static_cast<int>(h[graft_type]);
    c.lr = T(h[decoupled_learning_rate] != 0 ? h[lr] : 1);
    c.multiplier = T(h[decoupled_learning_rate] != 0 ? 1 : h[lr]);
    c.decay = T(decoupled ? 1 - h[lr] * h[weight_decay] : 1);
    c.l2 = T(decoupled ? 0 : h[weight_decay]);
    c.beta1 = T(h[beta1]);
    c.add = T(h[moving_average_for_momentum] != 0 ? 1 - h[beta1] : 1);
    c.statistics_keep = T(c.graft == rmsprop ? h[beta2] : 1);
    c.statistics_add = T(c.graft == rmsprop ? 1 - h[beta2] : 1);
    c.eps = T(h[diagonal_eps]);
    c.runs = t >= h[start_preconditioning_step];
    c.own_momentum = grafts_own_momentum(h);
    c.nesterov = h[nesterov] != 0;
    return c;
  }

  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State&, const TensorFacts& tensor) {
    c.preconditioned = tensor.has_matrices;
  }

  // The update of the optimizer that gives the step its length.
  template <class T, class State>
  OPTIM_FN static T graft(T g, const State& s, const Scalars<T>& c) {
    if (c.own_momentum) g = g / (std::sqrt(s[graft_statistics]) + c.eps);
    if (c.graft == sqrtn) g = T(g > 0) - T(g < 0);
    return c.multiplier * g;
  }

  template <class T, class State>
  OPTIM_FN static T direct(T, T g, State& s, const Scalars<T>& c) {
    s[graft_statistics] = c.statistics_keep * s[graft_statistics] + c.statistics_add * g * g;
    return c.preconditioned ? g : graft(g, s, c);
  }

  static constexpr int sum_count = 2;  // squares of the graft's update and of the direction

  template <class T, class State>
  OPTIM_FN static Terms<sum_count> measure(T u, T g, const State& s, const Scalars<T>& c) {
    const double length = static_cast<double>(graft(g, s, c)), direction = static_cast<double>(u);
    return {length * length, direction * direction};
  }

  template <class T>
  struct Factors {
    T scale;  // of the direction
  };

  template <class T>
  OPTIM_FN static Factors<T> finish(const double*, const double* sums, const Scalars<double>& c, const Extent&) {
    if (c.graft == none) return {T(c.preconditioned ? c.multiplier : 1)};
    return {T(std::sqrt(sums[0]) / (std::sqrt(sums[1]) + 1e-16))};
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T u, T g, State& s, const Scalars<T>& c, const Factors<T>& f) {
    p = c.decay * p;
    const T ours = f.scale * u + c.l2 * p, grafted = graft(g, s, c) + c.l2 * p;
    const T chosen = c.runs ? ours : grafted;
    s[momentum] = c.beta1 * s[momentum] + c.add * (c.own_momentum ? ours : chosen);
    s[graft_momentum] = c.beta1 * s[graft_momentum] + c.add * grafted;
    const T m = c.own_momentum && !c.runs ? s[graft_momentum] : s[momentum];
    p -= c.lr * (c.nesterov ? c.beta1 * m + c.add * chosen : m);
  }
};

}  // namespace optim::rules
