// First step of sharpness-aware minimization, SAM (arXiv 2010.01412; ASAM arXiv 2102.11600): the parameters move to the
// point of highest loss nearby, p += rho / n T^2 g with n = |T g| over all tensors of all groups. T is 1, or |p| +
// asam_eta for ASAM. With use_gc the norm is that of the centralized gradient, so that the radius is rho. Not in the
// catalogue.
#pragma once

#include "core/rule.h"

namespace optim::rules {

OPTIM_HYPER(rho, range::at_least(0), "Radius of the neighbourhood.");
OPTIM_HYPER(adaptive, range::boolean(), "Scale the neighbourhood by the parameters (ASAM).");
OPTIM_HYPER(perturb_eps, range::at_least(0), "Added to the norm.");
OPTIM_HYPER(asam_eta, range::at_least(0), "Added to the parameters that scale the neighbourhood.");
OPTIM_SLOT(old_p, copy, param, none, "The parameter before the first step.");

struct sam_perturb {
  static constexpr const char* title = "Sharpness-aware minimization, first step";
  static constexpr const char* paper =
      "Foret et al.: Sharpness-Aware Minimization for Efficiently Improving Generalization (2021)";
  static constexpr const char* url = "https://arxiv.org/abs/2010.01412";
  static constexpr const char* summary = "Saves the parameters and moves them up the gradient: p += rho / |T g| T^2 g.";
  static constexpr bool listed = false;

  static constexpr auto hypers =
      optim::hypers(rho = 0.05, adaptive = false, perturb_eps = 1e-12, use_gc = false, asam_eta = 0);
  static constexpr auto slots = optim::slots(old_p);
  static constexpr int saved_param = index_of(slots, old_p);

  template <class T>
  struct Scalars {
    T rho, eps, eta;
    bool adaptive;
  };

  template <class T, class H>
  OPTIM_FN static Scalars<T> prepare(const H& h, double) {
    return {T(h[rho]), T(h[perturb_eps]), T(h[asam_eta]), h[adaptive] != 0};
  }

  template <class T>
  OPTIM_FN static T scale(T p, const Scalars<T>& c) {
    return c.adaptive ? std::fabs(p) + c.eta : T(1);
  }

  enum Sum { norm_sq };
  static constexpr int sum_count = 1;
  static constexpr Scope scope = Scope::all;
  static constexpr int reduced_rank = 0;

  static constexpr Pass gather_pass(const double* values) {
    HypersOf<sam_perturb> h = hypers;
    for (int i = 0; i < h.count; ++i) h.value[i] = values[i];
    return {h[adaptive] != 0, true, false, false, false};
  }
  static constexpr Pass apply_pass(const double*) { return {true, true, false, true, true}; }

  template <class T, class State>
  OPTIM_FN static Terms<sum_count> gather(T p, T g, State&, const Scalars<T>& c) {
    const T scaled = scale(p, c) * g;
    return {{product(scaled, scaled)}};
  }

  template <class T>
  struct Factors {
    T radius;  // over the norm
  };

  template <class T>
  OPTIM_FN static Factors<T> finish(const double*, const double* all, const Scalars<double>& c, const Extent&) {
    const double norm = std::sqrt(all[norm_sq]) + c.eps;
    return {T(norm == 0 ? 0 : c.rho / norm)};
  }

  template <class T, class State>
  OPTIM_FN static void apply(T& p, T g, State&, const Scalars<T>& c, const Factors<T>& f) {
    const T t = scale(p, c);
    p = p + f.radius * (t * t * g);
  }
};

}  // namespace optim::rules
