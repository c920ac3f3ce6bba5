// SGD with momentum, as torch.optim.SGD (Nesterov's form of Sutskever et al. 2013). Decoupled decay is an option of our own.
#pragma once

#include "core/rule.h"

namespace optim::rules {

struct sgd {
  static constexpr const char* title = "SGD";
  static constexpr const char* paper =
      "Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning (2013)";
  static constexpr const char* url = "https://proceedings.mlr.press/v28/sutskever13.html";
  static constexpr const char* summary = "Stochastic gradient descent with momentum: b = mu b + g, p -= lr b.";

  static constexpr auto hypers =
      optim::hypers(lr = 1e-3, momentum = 0, dampening = 0, nesterov = false, weight_decay = 0, weight_decouple = false,
                    fixed_decay = false, maximize = false);
  static constexpr auto slots = optim::slots(momentum_buffer.when(momentum));

  template <class H>
  static constexpr const char* check(const H& h) {
    return h[nesterov] != 0 && (h[momentum] == 0 || h[dampening] != 0) ? "nesterov needs momentum > 0 and dampening = 0"
                                                                       : nullptr;
  }

  template <class T>
  struct Scalars {
    T lr, decay, momentum, keep, add;
    bool nesterov;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double) {
    Scalars<T> c{};
    c.lr = T(h[lr]);
    c.decay = T(1 - decay_rate(h));
    c.momentum = c.keep = T(h[momentum]);
    c.add = T(1 - h[dampening]);
    c.nesterov = h[nesterov] != 0;
    return c;
  }

  // The buffer starts as the first gradient itself: dampening does not act on it.
  template <class T, class State>
  OPTIM_FN static void specialize(Scalars<T>& c, const State&, const TensorFacts& tensor) {
    if (!tensor.first_step) return;
    c.keep = 0;
    c.add = 1;
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T g, State& s, const Scalars<T>& c) {
    T& b = s[momentum_buffer];
    b = c.keep * b + c.add * g;
    const T u = c.momentum == 0 ? g : c.nesterov ? g + c.momentum * b : b;
    p = c.decay * p - c.lr * u;
  }
};

}  // namespace optim::rules
