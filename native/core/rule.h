// The vocabulary of a rule: everything a header under optimizers/ may use. A rule is a struct named as its file, with
//
//   title, paper, url, summary   static constexpr const char*
//   hypers                   static constexpr auto = hypers(lr = 1e-3, ...)
//   slots                    static constexpr auto = slots(exp_avg, ...)
//   Scalars<T>               what depends on the step and the hyper-parameters alone; a plain struct
//   prepare<T>(h, t)         -> Scalars<T>, once a step, computed in double; t = 1, 2, ...
//
// and, by its shape,
//
//   update(p, g, s, c)                   elementwise: the whole step of one element. p and g arrive prepared (core/gradient.h).
//
//   sum_count, scope, reduced_rank       reduced: a first pass sums over each row or tensor, or over all tensors, of at least
//   gather(p, g, s, c) -> Terms          that rank (others take update); gather updates the state and returns what is summed,
//   close_row(sums, s, c, x)             optional: once a row, in double: derive further sums, update per-row slots
//   close_tensor(sums, s, c, x)          optional: once a tensor, likewise
//   finish<T>(row, tensor, c, x)         -> Factors<T> of one row, from its sums and those of its tensor (Scope::all: of all)
//   rows_alone                           optional: true where finish looks at the sums of the row alone (tensor is null)
//   apply(p, g, s, c, f)                 the second pass
//   gather_pass, apply_pass              which streams the passes touch; whether apply writes the state (and may take s as a
//                                        variable) must not depend on the hyper-parameters
//
//   program(builder, h, view)            matrix: a short program of linear algebra (core/program.h) between two passes:
//   due(h, t, first_step) -> unsigned    which of its stages run at step t, one bit each,
//   direct(p, g, s, c) -> T              the direction handed to the program beside the gradient, and
//   update(p, u, s, c)                   the step along what the program made of it.
//   sum_count                            optional: sums over the tensor between the two:
//   measure(u, g, s, c) -> Terms         what is summed of an element,
//   finish<T>(sums, sums, c, x)          -> Factors<T>, and then
//   update(p, u, g, s, c, f)             has the gradient too.
//
// Options: check(h) -> nullptr or what is wrong between several hyper-parameters; specialize(c, s, facts) adapts the scalars
// to one tensor, s being its slots of shape tensor or scalar; init, a nested reduced rule that runs once before the first step;
// learning_rate(h, t), of a rule with a schedule of its own, for the helpers; stable_weight_decay: its decoupled decay is the stable
// one; alternating = alternate(slots, a, b), two slots that change places at every even step; saved_param = index_of(slots, a), a slot
// into which every pass puts the parameter as it found it, to the bit; unit_length(h, tensor): how many elements
// of a tensor are summed together in place of a row, update taking it where that is 1; check_tensor(h, tensor), as check;
// update_pass, which streams update touches if not all; of a matrix rule, max_dimension, the most rows a matrix may have, and
// view(h, rank, shape) -> MatrixView, how the program sees a tensor (core/matrix_view.h) if not as a whole. With slots of role
// input, prepare<T>(h, t, inputs) also gets what is known of them. Alias<NAME> aliases[] = {{"NAG", nesterov = true}, ...}:
// names under which the literature knows the rule with one of its hyper-parameters at another value.
#pragma once

#include <cmath>
#include <type_traits>
#include <utility>

#include "core/blocks.h"
#include "core/config.h"
#include "core/extent.h"
#include "core/gradient.h"
#include "core/hyper.h"
#include "core/layout.h"
#include "core/program.h"
#include "core/slot.h"

namespace optim {

// What is summed in a gather, one number per element and sum, in double as the sums are.
template <int Count>
struct Terms {
  double value[Count];
};

// Another name of a rule, for it with one of its hyper-parameters at another value.
template <class Rule>
struct Alias {
  const char* name;
  const char* hyper;
  double value;

  template <class Tag>
  constexpr Alias(const char* alias, Default<Tag> setting) : name(alias), hyper(Tag::name), value(setting.value) {}
};

enum class Scope { row, tensor, all };

// Streams that a pass reads and writes; what a step must move follows from them.
struct Pass {
  bool reads_param, reads_grad, reads_state, writes_param, writes_state;
  bool reads_inputs = true;
  std::uint32_t reads_slots = ~0u;  // of the state, one bit each

  // What either of two groups touches.
  Pass& operator|=(const Pass& other) {
    reads_param |= other.reads_param;
    reads_grad |= other.reads_grad;
    reads_state |= other.reads_state;
    writes_param |= other.writes_param;
    writes_state |= other.writes_state;
    reads_inputs |= other.reads_inputs;
    reads_slots |= other.reads_slots;
    return *this;
  }

  OPTIM_FN bool reads_slot(int slot) const { return reads_state && (reads_slots >> slot & 1u) != 0; }
};

// What it takes to know the second moment as a step will leave it, in a slot of that role. l2: the parameter is a part
// of its gradient.
OPTIM_FN constexpr Pass second_moment_pass(int slot, Role role, bool l2) {
  const bool central = role == Role::second_central_moment;
  return {l2, true, true, false, false, central, central ? ~0u : 1u << slot};
}

template <class Rule>
using HypersOf = std::remove_const_t<decltype(Rule::hypers)>;
template <class Rule>
using SlotsOf = std::remove_const_t<decltype(Rule::slots)>;
template <class Rule, class T>
using StateOf = typename SlotsOf<Rule>::template Values<T>;
template <class Rule, class T>
using ScalarsOf = typename Rule::template Scalars<T>;

namespace detail {
template <template <class> class Expression, class Rule, class = void>
struct Detected : std::false_type {};
template <template <class> class Expression, class Rule>
struct Detected<Expression, Rule, std::void_t<Expression<Rule>>> : std::true_type {};

template <class Rule>
using FloatState = StateOf<Rule, float>;
template <class Rule>
using FloatScalars = ScalarsOf<Rule, float>;
template <class Rule>
using DoubleState = StateOf<Rule, double>;
template <class Rule>
using DoubleScalars = ScalarsOf<Rule, double>;

// Expressions that hold for a rule that has what they are named after.
template <class Rule>
using Update = decltype(Rule::update(std::declval<float&>(), std::declval<float&>(), std::declval<FloatState<Rule>&>(),
                                     std::declval<const FloatScalars<Rule>&>()));
template <class Rule>
using Reduced = decltype(Rule::reduced_rank);
template <class Rule>
using Measure =
    decltype(Rule::measure(std::declval<float>(), std::declval<float>(), std::declval<const FloatState<Rule>&>(),
                           std::declval<const FloatScalars<Rule>&>()));
template <class Rule>
using Program = decltype(Rule::program(std::declval<ProgramBuilder<SlotsOf<Rule>>&>(), Rule::hypers, MatrixView{}));
template <class Rule>
using View = decltype(Rule::view(Rule::hypers, 0, nullptr));
template <class Rule>
using Init = typename Rule::init;
template <class Rule>
using Specialize = decltype(Rule::specialize(
    std::declval<FloatScalars<Rule>&>(), std::declval<const DoubleState<Rule>&>(), std::declval<const TensorFacts&>()));
template <class Rule>
using CloseRow = decltype(Rule::close_row(std::declval<double*>(), std::declval<DoubleState<Rule>&>(),
                                          std::declval<const DoubleScalars<Rule>&>(), std::declval<const Extent&>()));
template <class Rule>
using CloseTensor =
    decltype(Rule::close_tensor(std::declval<double*>(), std::declval<DoubleState<Rule>&>(),
                                std::declval<const DoubleScalars<Rule>&>(), std::declval<const Extent&>()));
template <class Rule>
using Check = decltype(Rule::check(Rule::hypers));
template <class Rule>
using CheckTensor = decltype(&Rule::template check_tensor<HypersOf<Rule>>);
template <class Rule>
using UnitLength = decltype(&Rule::template unit_length<HypersOf<Rule>>);
template <class Rule>
using LearningRate = decltype(Rule::learning_rate(Rule::hypers, 1.0));
template <class Rule>
using UpdatePass = decltype(Rule::update_pass);
template <class Rule>
using Alternation = decltype(Rule::alternating);
template <class Rule>
using SavedParam = decltype(Rule::saved_param);
template <class Rule>
using Unlisted = std::enable_if_t<!Rule::listed>;
template <class Rule>
using RowsAlone = std::enable_if_t<Rule::rows_alone>;
template <class Rule>
using WritesGradient = std::enable_if_t<Rule::writes_gradient>;
template <class Rule>
using StableDecay = std::enable_if_t<Rule::stable_weight_decay>;
template <class Rule>  // aliases that a rule inherits are those of the other
using OwnAliases = std::enable_if_t<std::is_same_v<const Alias<Rule>, std::remove_extent_t<decltype(Rule::aliases)>>>;

template <class Rule>
constexpr Pass update_pass() {
  if constexpr (Detected<UpdatePass, Rule>::value) {
    return Rule::update_pass;
  } else {
    return {true, true, true, true, true};
  }
}
}  // namespace detail

template <class Rule>
constexpr bool has_update = detail::Detected<detail::Update, Rule>::value;
template <class Rule>
constexpr bool is_reduced = detail::Detected<detail::Reduced, Rule>::value;
// What the sums of a rule are taken over; those of a matrix rule's measure over the tensor.
template <class Rule>
constexpr Scope scope_of() {
  if constexpr (is_reduced<Rule>) {
    return Rule::scope;
  } else {
    return Scope::tensor;
  }
}
template <class Rule>
constexpr bool is_matrix = detail::Detected<detail::Program, Rule>::value;
template <class Rule>
constexpr bool has_measure = detail::Detected<detail::Measure, Rule>::value;
template <class Rule>
constexpr bool has_view = detail::Detected<detail::View, Rule>::value;
template <class Rule>
constexpr bool has_init = detail::Detected<detail::Init, Rule>::value;
template <class Rule>
constexpr bool has_specialize = detail::Detected<detail::Specialize, Rule>::value;
template <class Rule>
constexpr bool has_close_row = detail::Detected<detail::CloseRow, Rule>::value;
template <class Rule>
constexpr bool has_close_tensor = detail::Detected<detail::CloseTensor, Rule>::value;
template <class Rule>
constexpr bool rows_alone = detail::Detected<detail::RowsAlone, Rule>::value && !has_close_tensor<Rule>;
template <class Rule>
constexpr bool has_check = detail::Detected<detail::Check, Rule>::value;
template <class Rule>
constexpr bool is_listed = !detail::Detected<detail::Unlisted, Rule>::value;
template <class Rule>
constexpr bool writes_gradient = detail::Detected<detail::WritesGradient, Rule>::value;
template <class Rule>
constexpr bool decays_stably = detail::Detected<detail::StableDecay, Rule>::value;
template <class Rule>
constexpr bool apply_writes_state = Rule::apply_pass(Rule::hypers.value).writes_state;
template <class Rule>
constexpr bool has_unit_length = detail::Detected<detail::UnitLength, Rule>::value;
template <class Rule>
constexpr bool has_check_tensor = detail::Detected<detail::CheckTensor, Rule>::value;
template <class Rule>
constexpr bool has_aliases = detail::Detected<detail::OwnAliases, Rule>::value;

// The scalars of step t.
template <class Rule, class T>
OPTIM_FN ScalarsOf<Rule, T> prepared(const HypersOf<Rule>& h, double t, const InputFacts& inputs) {
  if constexpr (SlotsOf<Rule>::inputs() > 0) {
    return Rule::template prepare<T>(h, t, inputs);
  } else {
    return Rule::template prepare<T>(h, t);
  }
}

// The learning rate of step t.
template <class Rule>
OPTIM_FN double learning_rate(const HypersOf<Rule>& h, double t) {
  if constexpr (detail::Detected<detail::LearningRate, Rule>::value) {
    return Rule::learning_rate(h, t);
  } else {
    return value_or(h, lr, 0);
  }
}

// Two slots that change places from step to step (see Rule::alternating); -1: none.
template <class Rule>
constexpr AlternatingSlots alternation() {
  if constexpr (detail::Detected<detail::Alternation, Rule>::value) {
    return Rule::alternating;
  } else {
    return {-1, -1};
  }
}

// The slot that holds the parameter as a pass found it; -1: none. What went through arithmetic may have lost the payload of a NaN.
template <class Rule>
constexpr int saved_param() {
  if constexpr (detail::Detected<detail::SavedParam, Rule>::value) {
    return Rule::saved_param;
  } else {
    return -1;
  }
}

// Whether a pass may leave slot I unwritten: the caller's, one that keeps its value, and the one that rests.
template <class Rule, int I>
constexpr bool is_read_only = SlotsOf<Rule>::template role<I>() == Role::input
                              || SlotsOf<Rule>::template role<I>() == Role::fixed || I == alternation<Rule>().resting;
template <class Rule>
constexpr Pass update_pass = detail::update_pass<Rule>();

}  // namespace optim
