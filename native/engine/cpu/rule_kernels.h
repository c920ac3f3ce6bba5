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
template <class Rule, class T, bool Vectors, Loops Kind>
struct StateStreams {
  using S = SlotsOf<Rule>;
  T* stream[S::count > 0 ? S::count : 1];

  OPTIM_FN explicit StateStreams(const Piece& piece) {
    for (int i = 0; i < S::count; ++i) stream[i] = static_cast<T*>(piece.state[i]);
  }

  template <int I = 0>
  OPTIM_FN void load(StateOf<Rule, T>& s, std::int64_t i) const {
    if constexpr (I < S::count) {
      s.value[I] = streams<I>() ? stream[I][i] : T(0);
      load<I + 1>(s, i);
    }
  }

  template <int I = 0>
  OPTIM_FN void prefetch(std::int64_t i) const {
    if constexpr (I < S::count) {
      if constexpr (streams<I>()) __builtin_prefetch(stream[I] + i, 1);
      prefetch<I + 1>(i);
    }
  }

  template <int I = 0>
  OPTIM_FN void store(const StateOf<Rule, T>& s, std::int64_t i) const {
    if constexpr (I < S::count) {
      if constexpr (streams<I>() && !is_read_only<Rule, I>) stream[I][i] = s.value[I];
      store<I + 1>(s, i);
    }
  }

 private:
  template <int I>
  static constexpr bool streams() {
    return S::template per_element<I>(Vectors) && !(Kind != Loops::full && S::template conditional<I>());
  }
};

// What every loop begins with: the scalars and the map in registers, and the streams.
template <class Rule, class T, bool Vectors, Loops Kind>
struct Loop {
  ScalarsOf<Rule, T> scalars;
  GradientMap<T> map;
  StateStreams<Rule, T, Vectors, Kind> state;
  T* param;
  T* grad;
  T scale;

  OPTIM_FN explicit Loop(const Piece& piece)
      : scalars(*static_cast<const ScalarsOf<Rule, T>*>(piece.scalars)),
        map(*static_cast<const GradientMap<T>*>(piece.map)),
        state(piece),
        param(static_cast<T*>(piece.param)),
        grad(static_cast<T*>(piece.grad)),
        scale(map.scale * map.unscale) {}

  OPTIM_FN void load(std::int64_t i, T& p, T& g, StateOf<Rule, T>& s) const {
    const T found = p = param[i];
    g = grad[i];
    if constexpr (Kind == Loops::plain) {
      g = scale * g;
    } else {
      map.apply(p, g);
    }
    state.load(s, i);
    if constexpr (saved_param<Rule>() >= 0) s.value[saved_param<Rule>()] = found;
  }

  // Asks for what a loop over all streams will need soon. The processor's own prefetching stops short of the first level of
  // cache, where a loop of some twenty operations per element waits for it.
  OPTIM_FN void prefetch(std::int64_t i, std::int64_t count) const {
    constexpr std::int64_t ahead = 256;
    if (i + ahead >= count) return;
    __builtin_prefetch(param + i + ahead, 1);
    __builtin_prefetch(grad + i + ahead);
    state.prefetch(i + ahead);
  }

  // body(element) for the elements from begin to count, in blocks of whole vectors.
  template <class Body>
  OPTIM_FN void for_elements(std::int64_t begin, std::int64_t count, const Body& body) const {
    constexpr std::int64_t block = 64, line = 64 / sizeof(T);
    for (; begin + block <= count; begin += block) {
      for (std::int64_t i = begin; i < begin + block; i += line) prefetch(i, count);
      OPTIM_INDEPENDENT
      for (std::int64_t i = begin; i < begin + block; ++i) body(i);
    }
    OPTIM_INDEPENDENT
    for (std::int64_t i = begin; i < count; ++i) body(i);
  }
};

template <class Rule, class T, Loops Kind>
void update(const Piece& piece) {
  const Loop<Rule, T, true, Kind> loop(piece);
  loop.for_elements(
      0, piece.count, [&](std::int64_t i) __attribute__((always_inline)) {
        T p, g;
        StateOf<Rule, T> s;
        loop.load(i, p, g, s);
        Rule::update(p, g, s, loop.scalars);
        loop.param[i] = p;
        if constexpr (writes_gradient<Rule>) loop.grad[i] = g;
        if constexpr (update_pass<Rule>.writes_state) loop.state.store(s, i);
      });
}

template <class Rule, class T, Loops Kind>
void direct(const Piece& piece) {
  const Loop<Rule, T, true, Kind> loop(piece);
  T* const direction = static_cast<T*>(piece.direction);
  T* const prepared = static_cast<T*>(piece.prepared);
  loop.for_elements(
      0, piece.count, [&](std::int64_t i) __attribute__((always_inline)) {
        T p, g;
        StateOf<Rule, T> s;
        loop.load(i, p, g, s);
        direction[i] = Rule::direct(p, g, s, loop.scalars);
        prepared[i] = g;
        loop.state.store(s, i);
      });
}

template <class Rule, class T, Loops Kind>
void measure(const Piece& piece) {
  const Loop<Rule, T, true, Kind> loop(piece);
  const T* const direction = static_cast<const T*>(piece.direction);
  const T* const prepared = static_cast<const T*>(piece.prepared);
  Lanes<Rule::sum_count> lanes;
  for_lanes(
      piece.count, [&](std::int64_t i, int lane) __attribute__((always_inline)) {
        StateOf<Rule, T> s;
        loop.state.load(s, i);
        const Terms<Rule::sum_count> terms =
            Rule::measure(direction[i], prepared[i], static_cast<const StateOf<Rule, T>&>(s), loop.scalars);
        for (int k = 0; k < Rule::sum_count; ++k) lanes.value[k][lane] += terms.value[k];
      });
  lanes.add_to(piece.sums);
}

template <class Rule, class T, Loops Kind>
void update_measured(const Piece& piece) {
  const Loop<Rule, T, true, Kind> loop(piece);
  const T* const prepared = static_cast<const T*>(piece.prepared);
  const auto factors = *static_cast<const typename Rule::template Factors<T>*>(piece.factors);
  loop.for_elements(
      0, piece.count, [&](std::int64_t i) __attribute__((always_inline)) {
        T p, u;
        StateOf<Rule, T> s;
        loop.load(i, p, u, s);
        Rule::update(p, u, prepared[i], s, loop.scalars, factors);
        loop.param[i] = p;
        loop.state.store(s, i);
      });
}

template <class Rule, class T, Loops Kind>
void gather(const Piece& piece) {
  const Loop<Rule, T, false, Kind> loop(piece);
  double* sums = piece.sums;
  for (std::int64_t begin = 0; begin < piece.count; begin += piece.unit_length, sums += Rule::sum_count) {
    Lanes<Rule::sum_count> lanes;
    const std::int64_t end = begin + piece.unit_length < piece.count ? begin + piece.unit_length : piece.count;
    for_lanes(
        end - begin,
        [&](std::int64_t i, int lane) __attribute__((always_inline)) {
          T p, g;
          StateOf<Rule, T> s;
          loop.load(begin + i, p, g, s);
          const Terms<Rule::sum_count> terms = Rule::gather(p, g, s, loop.scalars);
          loop.state.store(s, begin + i);
          for (int k = 0; k < Rule::sum_count; ++k) lanes.value[k][lane] += terms.value[k];
        },
        [&](std::int64_t i) __attribute__((always_inline)) { loop.prefetch(begin + i, piece.count); });
    lanes.add_to(sums);
  }
}

template <class Rule, class T, Loops Kind>
void apply(const Piece& piece) {
  using Factors = typename Rule::template Factors<T>;
  const Loop<Rule, T, false, Kind> loop(piece);
  const auto* of_unit = static_cast<const unsigned char*>(piece.factors);
  for (std::int64_t begin = 0; begin < piece.count; begin += piece.unit_length, of_unit += max_factors) {
    const Factors factors = *reinterpret_cast<const Factors*>(of_unit);
    const std::int64_t end = begin + piece.unit_length < piece.count ? begin + piece.unit_length : piece.count;
    loop.for_elements(
        begin, end, [&](std::int64_t i) __attribute__((always_inline)) {
          T p, g;
          StateOf<Rule, T> s;
          loop.load(i, p, g, s);
          Rule::apply(p, g, s, loop.scalars, factors);
          loop.param[i] = p;
          if constexpr (apply_writes_state<Rule>) loop.state.store(s, i);
        });
  }
}

template <class Rule, class T, Loops Kind>
void probe(const Piece& piece) {
  constexpr int slot = SlotsOf<Rule>::second_moment();
  const Loop<Rule, T, !is_reduced<Rule>, Kind> loop(piece);
  Lanes<1> lanes;
  for_lanes(
      piece.count,
      [&](std::int64_t i, int lane) __attribute__((always_inline)) {
        T p, g;
        StateOf<Rule, T> s;
        loop.load(i, p, g, s);
        if constexpr (is_reduced<Rule>) {
          Rule::gather(p, g, s, loop.scalars);
        } else {
          Rule::update(p, g, s, loop.scalars);
        }
        lanes.value[0][lane] += static_cast<double>(s.value[slot]);
      },
      [&](std::int64_t i) __attribute__((always_inline)) {
        __builtin_prefetch(loop.grad + i + read_ahead);
        __builtin_prefetch(loop.state.stream[slot] + i + read_ahead);
      });
  lanes.add_to(piece.sums);
}

// Double precision is for accuracy: one loop serves it. The last kind of loop is for the passes over all tensors of a step.
#define OPTIM_CPU_LOOPS(LOOP, RULE, LAST)                                                   \
  PieceKernel {                                                                             \
    { &LOOP<RULE, T, Loops::full>, &LOOP<RULE, T, leanest<RULE, T>>, &LOOP<RULE, T, LAST> } \
  }
template <class Rule, class T>
constexpr Loops leanest = std::is_same_v<T, float>&& SlotsOf<Rule>::any_conditional() ? Loops::lean : Loops::full;
template <class T>
constexpr Loops plainest = std::is_same_v<T, float> ? Loops::plain : Loops::full;

template <class Rule, class T>
constexpr void fill(RuleKernels& kernels, int precision) {
  constexpr Loops lean = leanest<Rule, T>;
  if constexpr (has_update<Rule>) kernels.update[precision] = OPTIM_CPU_LOOPS(update, Rule, plainest<T>);
  if constexpr (is_reduced<Rule>) {
    kernels.gather[precision] = OPTIM_CPU_LOOPS(gather, Rule, plainest<T>);
    kernels.apply[precision] = OPTIM_CPU_LOOPS(apply, Rule, plainest<T>);
  }
  if constexpr (has_init<Rule>) {
    kernels.init_gather[precision] = OPTIM_CPU_LOOPS(gather, typename Rule::init, lean);
    kernels.init_apply[precision] = OPTIM_CPU_LOOPS(apply, typename Rule::init, lean);
  }
  if constexpr (is_matrix<Rule>) kernels.direct[precision] = OPTIM_CPU_LOOPS(direct, Rule, lean);
  if constexpr (has_measure<Rule>) {
    kernels.measure[precision] = OPTIM_CPU_LOOPS(measure, Rule, lean);
    kernels.update[precision] = OPTIM_CPU_LOOPS(update_measured, Rule, lean);
  }
  if constexpr (SlotsOf<Rule>::second_moment() >= 0) kernels.probe[precision] = OPTIM_CPU_LOOPS(probe, Rule, lean);
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
#define OPTIM_CPU_RULE(NAME)                                                        \
  namespace optim::cpu {                                                            \
  extern const RuleKernels OPTIM_CPU_TABLE(NAME, OPTIM_ISA);                        \
  const RuleKernels OPTIM_CPU_TABLE(NAME, OPTIM_ISA) = rule_kernels<rules::NAME>(); \
  }

}  // namespace optim::cpu
