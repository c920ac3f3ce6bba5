// The loops of one rule for one instruction set. Included by generated files, once per rule and instruction set; everything has
// internal linkage or is inlined, so that no other instruction set can be handed this one's code.
#pragma once

#include <utility>

#include "core/rule.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/lanes.h"

#ifndef OPTIM_ISA
#error "OPTIM_ISA names the instruction set this file is compiled for"
#endif

namespace optim::cpu {
namespace {

// The streams of a rule's per-element state in one piece.
template <class Rule, class T, bool Vectors>
struct StateStreams {
  using S = SlotsOf<Rule>;
  T* stream[S::count > 0 ? S::count : 1];

  OPTIM_FN explicit StateStreams(const Piece& piece) {
    for (int i = 0; i < S::count; ++i) stream[i] = static_cast<T*>(piece.state[i]);
  }

  template <int I = 0>
  OPTIM_FN void load(StateOf<Rule, T>& s, std::int64_t i) const {
    if constexpr (I < S::count) {
      s.value[I] = S::template per_element<I>(Vectors) ? stream[I][i] : T(0);
      load<I + 1>(s, i);
    }
  }

  template <int I = 0>
  OPTIM_FN void store(const StateOf<Rule, T>& s, std::int64_t i) const {
    if constexpr (I < S::count) {
      if constexpr (S::template per_element<I>(Vectors)) stream[I][i] = s.value[I];
      store<I + 1>(s, i);
    }
  }
};

// What every loop begins with: the scalars and the map in registers, and the streams.
template <class Rule, class T, bool Vectors>
struct Loop {
  ScalarsOf<Rule, T> scalars;
  GradientMap<T> map;
  StateStreams<Rule, T, Vectors> state;
  T* param;
  T* grad;

  OPTIM_FN explicit Loop(const Piece& piece)
      : scalars(*static_cast<const ScalarsOf<Rule, T>*>(piece.scalars)),
        map(*static_cast<const GradientMap<T>*>(piece.map)),
        state(piece),
        param(static_cast<T*>(piece.param)),
        grad(static_cast<T*>(piece.grad)) {}

  OPTIM_FN void load(std::int64_t i, T& p, T& g, StateOf<Rule, T>& s) const {
    p = param[i];
    g = grad[i];
    map.apply(p, g);
    state.load(s, i);
  }
};

template <class Rule, class T>
void update(const Piece& piece) {
  const Loop<Rule, T, true> loop(piece);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < piece.count; ++i) {
    T p, g;
    StateOf<Rule, T> s;
    loop.load(i, p, g, s);
    Rule::update(p, g, s, loop.scalars);
    loop.param[i] = p;
    if constexpr (writes_gradient<Rule>) loop.grad[i] = g;
    loop.state.store(s, i);
  }
}

template <class Rule, class T>
void direct(const Piece& piece) {
  const Loop<Rule, T, true> loop(piece);
  T* const direction = static_cast<T*>(piece.direction);
  T* const prepared = static_cast<T*>(piece.prepared);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < piece.count; ++i) {
    T p, g;
    StateOf<Rule, T> s;
    loop.load(i, p, g, s);
    direction[i] = Rule::direct(p, g, s, loop.scalars);
    prepared[i] = g;
    loop.state.store(s, i);
  }
}

template <class Rule, class T>
void measure(const Piece& piece) {
  const Loop<Rule, T, true> loop(piece);
  const T* const direction = static_cast<const T*>(piece.direction);
  const T* const prepared = static_cast<const T*>(piece.prepared);
  Lanes<Rule::sum_count> lanes;
  for_lanes(piece.count, [&](std::int64_t i, int lane) __attribute__((always_inline)) {
    StateOf<Rule, T> s;
    loop.state.load(s, i);
    const Terms<Rule::sum_count> terms =
        Rule::measure(direction[i], prepared[i], static_cast<const StateOf<Rule, T>&>(s), loop.scalars);
    for (int k = 0; k < Rule::sum_count; ++k) lanes.value[k][lane] += terms.value[k];
  });
  lanes.add_to(piece.sums);
}

template <class Rule, class T>
void update_measured(const Piece& piece) {
  const Loop<Rule, T, true> loop(piece);
  const T* const prepared = static_cast<const T*>(piece.prepared);
  const auto factors = *static_cast<const typename Rule::template Factors<T>*>(piece.factors);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < piece.count; ++i) {
    T p, u;
    StateOf<Rule, T> s;
    loop.load(i, p, u, s);
    Rule::update(p, u, prepared[i], s, loop.scalars, factors);
    loop.param[i] = p;
    loop.state.store(s, i);
  }
}

template <class Rule, class T>
void gather(const Piece& piece) {
  const Loop<Rule, T, false> loop(piece);
  Lanes<Rule::sum_count> lanes;
  for_lanes(piece.count, [&](std::int64_t i, int lane) __attribute__((always_inline)) {
    T p, g;
    StateOf<Rule, T> s;
    loop.load(i, p, g, s);
    const Terms<Rule::sum_count> terms = Rule::gather(p, g, s, loop.scalars);
    loop.state.store(s, i);
    for (int k = 0; k < Rule::sum_count; ++k) lanes.value[k][lane] += terms.value[k];
  });
  lanes.add_to(piece.sums);
}

template <class Rule, class T>
void apply(const Piece& piece) {
  const Loop<Rule, T, false> loop(piece);
  const auto factors = *static_cast<const typename Rule::template Factors<T>*>(piece.factors);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < piece.count; ++i) {
    T p, g;
    StateOf<Rule, T> s;
    loop.load(i, p, g, s);
    Rule::apply(p, g, s, loop.scalars, factors);
    loop.param[i] = p;
  }
}

template <class Rule, class T>
void probe(const Piece& piece) {
  constexpr int slot = SlotsOf<Rule>::second_moment();
  const Loop<Rule, T, !is_reduced<Rule>> loop(piece);
  Lanes<1> lanes;
  for_lanes(piece.count, [&](std::int64_t i, int lane) __attribute__((always_inline)) {
    T p, g;
    StateOf<Rule, T> s;
    loop.load(i, p, g, s);
    if constexpr (is_reduced<Rule>) {
      Rule::gather(p, g, s, loop.scalars);
    } else {
      Rule::update(p, g, s, loop.scalars);
    }
    lanes.value[0][lane] += static_cast<double>(s.value[slot]);
  });
  lanes.add_to(piece.sums);
}

template <class Rule, class T>
constexpr void fill(RuleKernels& kernels, int precision) {
  if constexpr (has_update<Rule>) kernels.update[precision] = &update<Rule, T>;
  if constexpr (is_reduced<Rule>) {
    kernels.gather[precision] = &gather<Rule, T>;
    kernels.apply[precision] = &apply<Rule, T>;
  }
  if constexpr (has_init<Rule>) {
    kernels.init_gather[precision] = &gather<typename Rule::init, T>;
    kernels.init_apply[precision] = &apply<typename Rule::init, T>;
  }
  if constexpr (is_matrix<Rule>) kernels.direct[precision] = &direct<Rule, T>;
  if constexpr (has_measure<Rule>) {
    kernels.measure[precision] = &measure<Rule, T>;
    kernels.update[precision] = &update_measured<Rule, T>;
  }
  if constexpr (SlotsOf<Rule>::second_moment() >= 0) kernels.probe[precision] = &probe<Rule, T>;
}

template <class Rule>
constexpr RuleKernels rule_kernels() {
  RuleKernels kernels{};
  fill<Rule, float>(kernels, 0);
  fill<Rule, double>(kernels, 1);
  return kernels;
}

}  // namespace

#define OPTIM_CPU_PASTE(NAME, ISA) kernels_##NAME##_##ISA
#define OPTIM_CPU_TABLE(NAME, ISA) OPTIM_CPU_PASTE(NAME, ISA)
#define OPTIM_CPU_RULE(NAME)                                                                          \
  namespace optim::cpu {                                                                              \
  extern const RuleKernels OPTIM_CPU_TABLE(NAME, OPTIM_ISA);                                          \
  const RuleKernels OPTIM_CPU_TABLE(NAME, OPTIM_ISA) = rule_kernels<rules::NAME>();                   \
  }

}  // namespace optim::cpu
