// State slots: what a rule remembers between steps. A rule lists them as `slots(exp_avg, max_exp_avg_sq.when(ams_bound))` and
// reads and writes one element as `s[exp_avg]`. Names are those of PyTorch's state dictionaries.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/hyper.h"

namespace optim {

enum class SlotShape {
  param,   // the shape of the parameter
  copy,    // its shape and its storage type
  row,     // one number per row: (d0, 1, ..., 1)
  unit,    // as row for rank >= 2, as param below: the unit of a rule that treats vectors element by element
  tensor,  // one number: (1)
  scalar,  // one number: ()
  matrix,  // one square matrix per dimension (and block, core/matrix_view.h), names suffixed _0, _1, ... (_0_0, _0_1, ...)
};

enum class Initial {
  zero,
  param,
  identity,
  unit
};  // identity: hyper-parameter matrix_eps times the unit matrix; unit: that itself

// What helpers do with a slot.
enum class Role {
  none,
  first_moment,   // Lookahead pulls it back
  second_moment,  // stable weight decay averages it; update or gather advances it from itself and the gradient alone
  second_central_moment,  // likewise, from other slots too
  fixed,                  // keeps its initial value: no pass writes it
  slow_params,            // Lookahead's slow weights, of a rule that has its own; no pass of the rule touches them
  input,  // no state: a further buffer of the caller (a Hessian diagonal), read only, that may be absent
};

constexpr bool is_second_moment(Role role) {
  return role == Role::second_moment || role == Role::second_central_moment;
}

struct SlotInfo {
  const char* name;
  const char* doc;
  SlotShape shape;
  Initial initial;
  Role role;
  int when;              // index of the hyper-parameter that decides whether the slot exists; -1: it always does
  std::uint32_t values;  // bit v: it exists where the hyper-parameter is v; 0: wherever it is not 0
};

template <class Slot, class Hyper, std::uint32_t Values>
struct Conditional {};

template <class Self>
struct SlotTag {
  template <class Hyper>
  constexpr Conditional<Self, Hyper, 0> when(Hyper) const {
    return {};
  }
  // Where a word is one of those.
  template <int... Value, class Hyper>
  constexpr Conditional<Self, Hyper, ((1u << Value) | ...)> when_one_of(Hyper) const {
    return {};
  }
};

#define OPTIM_SLOT(NAME, SHAPE, INITIAL, ROLE, DOC)      \
  struct NAME##_slot : SlotTag<NAME##_slot> {            \
    static constexpr const char* name = #NAME;           \
    static constexpr const char* doc = DOC;              \
    static constexpr SlotShape shape = SlotShape::SHAPE; \
    static constexpr Initial initial = Initial::INITIAL; \
    static constexpr Role role = Role::ROLE;             \
  };                                                     \
  OPTIM_TAG NAME##_slot NAME {}

// The slots of a rule. The two packs run in step; Always marks a slot without condition.
struct Always {};
template <class Slot, class Hyper, std::uint32_t Values = 0>
struct Entry {};

template <class... E>
struct Slots;
template <class... Slot, class... Hyper, std::uint32_t... Words>
struct Slots<Entry<Slot, Hyper, Words>...> {
  static constexpr int count = sizeof...(Slot);

  template <class Wanted>
  static constexpr int index = IndexOf<Wanted, Slot...>::value;

  // SlotInfo of each slot, for a rule whose hyper-parameters are H.
  template <class H>
  static constexpr void describe(const H&, SlotInfo* out) {
    int i = 0;
    ((out[i++] = SlotInfo{Slot::name, Slot::doc, Slot::shape, Slot::initial, Slot::role, condition<Hyper>(H{}), Words}),
     ...);
  }

  // Values of the slots at one element (or of one row, or of one tensor).
  template <class T>
  struct Values {
    T value[count > 0 ? count : 1];

    template <class Wanted>
    OPTIM_FN T& operator[](Wanted) {
      static_assert(index<Wanted> < count, "the rule does not list this slot");
      return value[index<Wanted>];
    }
    template <class Wanted>
    OPTIM_FN const T& operator[](Wanted) const {
      static_assert(index<Wanted> < count, "the rule does not list this slot");
      return value[index<Wanted>];
    }
  };

  // Whether slot I has one value per element; `vectors` says how a slot of shape `unit` counts.
  template <int I>
  static constexpr bool per_element(bool vectors) {
    constexpr SlotShape shapes[] = {Slot::shape..., SlotShape::scalar};
    const bool element = shapes[I] == SlotShape::param || shapes[I] == SlotShape::copy;
    return role<I>() != Role::slow_params && (element || (vectors && shapes[I] == SlotShape::unit));
  }

  template <int I>
  static constexpr Role role() {
    constexpr Role roles[] = {Slot::role..., Role::none};
    return roles[I];
  }

  // Whether slot I may be absent.
  template <int I>
  static constexpr bool conditional() {
    constexpr bool conditions[] = {!std::is_same_v<Hyper, Always>..., false};
    return conditions[I] || role<I>() == Role::input;
  }

  // Whether any slot with one value per element may be absent.
  static constexpr bool any_conditional() {
    return (((!std::is_same_v<Hyper, Always> || Slot::role == Role::input) &&
             (Slot::shape == SlotShape::param || Slot::shape == SlotShape::unit)) ||
            ...);
  }

  static constexpr int inputs() { return ((Slot::role == Role::input ? 1 : 0) + ... + 0); }

  static constexpr int second_moment() {
    int i = 0, found = -1;
    ((found = is_second_moment(Slot::role) && Slot::shape == SlotShape::param ? i : found, ++i), ...);
    return found;
  }

 private:
  template <class Condition, class... Tag>
  static constexpr int condition(const Hypers<Tag...>&) {
    return IndexOf<Condition, Tag...>::value < static_cast<int>(sizeof...(Tag)) ? IndexOf<Condition, Tag...>::value
                                                                                : -1;
  }
};

namespace detail {
template <class Slot>
constexpr Entry<Slot, Always> entry(const SlotTag<Slot>&) {
  return {};
}
template <class Slot, class Hyper, std::uint32_t Values>
constexpr Entry<Slot, Hyper, Values> entry(const Conditional<Slot, Hyper, Values>&) {
  return {};
}
}  // namespace detail

template <class... S>
constexpr Slots<decltype(detail::entry(S{}))...> slots(S...) {
  return {};
}

// Two slots of one shape that change places at every even step: the rule always steps `active` and only reads `resting`.
struct AlternatingSlots {
  int active, resting;

  OPTIM_FN bool swapped(double t) const { return active >= 0 && static_cast<long long>(t) % 2 == 0; }
};
template <class S, class Active, class Resting>
constexpr AlternatingSlots alternate(const S&, Active, Resting) {
  return {S::template index<Active>, S::template index<Resting>};
}

template <class S, class Slot>
constexpr int index_of(const S&, Slot) {
  return S::template index<Slot>;
}

// Slots that mean the same wherever a rule lists them.
OPTIM_SLOT(momentum_buffer, param, zero, first_moment, "Momentum.");
OPTIM_SLOT(exp_avg, param, zero, first_moment, "Moving average of the gradient.");
OPTIM_SLOT(exp_avg_sq, param, zero, second_moment, "Moving average of the squared gradient.");
OPTIM_SLOT(max_exp_avg_sq, param, zero, none, "Running maximum of exp_avg_sq.");
OPTIM_SLOT(previous_grad, param, zero, none, "Gradient of the step before.");
OPTIM_SLOT(exp_grad_adanorm, tensor, zero, none, "AdaNorm's moving average of the gradient's norm.");

}  // namespace optim
