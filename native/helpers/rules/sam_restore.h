// Second step of sharpness-aware minimization: the parameters come back to where sam_perturb found them, to the bit. It
// does not read the gradient, whose memory may be gone by then: that one is bound says that the tensor was perturbed.
// Not in the catalogue.
#pragma once

#include "helpers/rules/sam_perturb.h"

namespace optim::rules {

struct sam_restore {
  static constexpr const char* title = "Sharpness-aware minimization, second step";
  static constexpr const char* paper = sam_perturb::paper;
  static constexpr const char* url = sam_perturb::url;
  static constexpr const char* summary = "Puts the saved parameters back.";
  static constexpr bool listed = false;

  static constexpr auto hypers = optim::hypers();
  static constexpr auto slots = optim::slots(old_p);
  static constexpr Pass update_pass{false, false, true, true, false};

  template <class T>
  struct Scalars {};

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H&, double) {
    return {};
  }

  template <class T, class State>
  OPTIM_FN static void update(T& p, T, State& s, const Scalars<T>&) {
    p = s[old_p];
  }
};

}  // namespace optim::rules
