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
// one; alternating = alternate(slots, a, b), two slots that change places at every even step; unit_length(h, tensor): how many elements
// of a tensor are summed together in place of a row, update taking it where that is 1; check_tensor(h, tensor), as check;
// update_pass, which streams update touches if not all; of a matrix rule, max_dimension, the most rows a matrix may have, and
// view(h, rank, shape) -> MatrixView, how the program sees a tensor (core/matrix_view.h) if not as a whole. With slots of role
// input, prepare<T>(h, t, inputs) also gets what is known of them.
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

enum class Scope { row, tensor, all };

// Streams that a pass reads and writes; what a step must move follows from them.
struct Pass {
  bool reads_param, reads_grad, reads_state, writes_param, writes_state;
  bool reads_inputs = true;

  // What either of two groups touches.
  Pass& operator|=(const Pass& other) {
    reads_param |= other.reads_param;
    reads_grad |= other.reads_grad;
    reads_state |= other.reads_state;
    writes_param |= other.writes_param;
    writes_state |= other.writes_state;
    reads_inputs |= other.reads_inputs;
    return *this;
  }
};

template <class Rule>
using HypersOf = std::remove_const_t<decltype(Rule::hypers)>;
template <class Rule>
using SlotsOf = std::remove_const_t<decltype(Rule::slots)>;
template <class Rule, class T>
using StateOf = typename SlotsOf<Rule>::template Values<T>;
template <class Rule, class T>
using ScalarsOf = typename Rule::template Scalars<T>;

namespace detail {
template <class Rule, class = void>
struct HasUpdate : std::false_type {};
template <class Rule>
struct HasUpdate<Rule, std::void_t<decltype(Rule::update(std::declval<float&>(), std::declval<float&>(),
                                                         std::declval<StateOf<Rule, float>&>(), std::declval<const ScalarsOf<Rule, float>&>()))>> : std::true_type {};
template <class Rule, class = void>
struct IsReduced : std::false_type {};
template <class Rule>
struct IsReduced<Rule, std::void_t<decltype(Rule::reduced_rank)>> : std::true_type {};
template <class Rule, class = void>
struct HasMeasure : std::false_type {};
template <class Rule>
struct HasMeasure<Rule, std::void_t<decltype(Rule::measure(std::declval<float>(), std::declval<float>(),
                                                           std::declval<const StateOf<Rule, float>&>(),
                                                           std::declval<const ScalarsOf<Rule, float>&>()))>>
    : std::true_type {};
template <class Rule, class = void>
struct IsMatrix : std::false_type {};
template <class Rule>
struct IsMatrix<Rule, std::void_t<decltype(Rule::program(std::declval<ProgramBuilder<SlotsOf<Rule>>&>(), Rule::hypers, MatrixView{}))>>
    : std::true_type {};
template <class Rule, class = void>
struct HasView : std::false_type {};
template <class Rule>
struct HasView<Rule, std::void_t<decltype(Rule::view(Rule::hypers, 0, nullptr))>> : std::true_type {};
template <class Rule, class = void>
struct HasInit : std::false_type {};
template <class Rule>
struct HasInit<Rule, std::void_t<typename Rule::init>> : std::true_type {};
template <class Rule, class = void>
struct HasSpecialize : std::false_type {};
template <class Rule>
struct HasSpecialize<Rule, std::void_t<decltype(Rule::specialize(std::declval<ScalarsOf<Rule, float>&>(),
                                                                 std::declval<const StateOf<Rule, double>&>(),
                                                                 std::declval<const TensorFacts&>()))>> : std::true_type {};
template <class Rule, class = void>
struct HasCloseRow : std::false_type {};
template <class Rule>
struct HasCloseRow<Rule, std::void_t<decltype(Rule::close_row(std::declval<double*>(), std::declval<StateOf<Rule, double>&>(),
                                                              std::declval<const ScalarsOf<Rule, double>&>(),
                                                              std::declval<const Extent&>()))>> : std::true_type {};
template <class Rule, class = void>
struct HasCloseTensor : std::false_type {};
template <class Rule>
struct HasCloseTensor<
    Rule, std::void_t<decltype(Rule::close_tensor(std::declval<double*>(), std::declval<StateOf<Rule, double>&>(),
                                                  std::declval<const ScalarsOf<Rule, double>&>(),
                                                  std::declval<const Extent&>()))>> : std::true_type {};
template <class Rule, class = void>
struct RowsAlone : std::false_type {};
template <class Rule>
struct RowsAlone<Rule, std::enable_if_t<Rule::rows_alone>> : std::true_type {};
template <class Rule, class = void>
struct HasCheck : std::false_type {};
template <class Rule>
struct HasCheck<Rule, std::void_t<decltype(Rule::check(Rule::hypers))>> : std::true_type {};
template <class Rule, class = void>
struct IsListed : std::true_type {};
template <class Rule>
struct IsListed<Rule, std::enable_if_t<!Rule::listed>> : std::false_type {};
template <class Rule, class = void>
struct WritesGradient : std::false_type {};
template <class Rule>
struct WritesGradient<Rule, std::enable_if_t<Rule::writes_gradient>> : std::true_type {};
template <class Rule, class = void>
struct UpdatePass {
  static constexpr Pass value{true, true, true, true, true};
};
template <class Rule>
struct UpdatePass<Rule, std::void_t<decltype(Rule::update_pass)>> {
  static constexpr Pass value = Rule::update_pass;
};
template <class Rule, class = void>
struct DecaysStably : std::false_type {};
template <class Rule>
struct DecaysStably<Rule, std::enable_if_t<Rule::stable_weight_decay>> : std::true_type {};
template <class Rule, class = void>
struct HasLearningRate : std::false_type {};
template <class Rule>
struct HasLearningRate<Rule, std::void_t<decltype(Rule::learning_rate(Rule::hypers, 1.0))>> : std::true_type {};
template <class Rule, class = void>
struct HasUnitLength : std::false_type {};
template <class Rule>
struct HasUnitLength<Rule, std::void_t<decltype(&Rule::template unit_length<std::remove_const_t<decltype(Rule::hypers)>>)>>
    : std::true_type {};
template <class Rule, class = void>
struct HasCheckTensor : std::false_type {};
template <class Rule>
struct HasCheckTensor<Rule, std::void_t<decltype(&Rule::template check_tensor<std::remove_const_t<decltype(Rule::hypers)>>)>>
    : std::true_type {};
template <class Rule, class = void>
struct HasAlternation : std::false_type {};
template <class Rule>
struct HasAlternation<Rule, std::void_t<decltype(Rule::alternating)>> : std::true_type {};
}  // namespace detail

template <class Rule>
constexpr bool has_update = detail::HasUpdate<Rule>::value;
template <class Rule>
constexpr bool is_reduced = detail::IsReduced<Rule>::value;
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
constexpr bool is_matrix = detail::IsMatrix<Rule>::value;
template <class Rule>
constexpr bool has_measure = detail::HasMeasure<Rule>::value;
template <class Rule>
constexpr bool has_view = detail::HasView<Rule>::value;
template <class Rule>
constexpr bool has_init = detail::HasInit<Rule>::value;
template <class Rule>
constexpr bool has_specialize = detail::HasSpecialize<Rule>::value;
template <class Rule>
constexpr bool has_close_row = detail::HasCloseRow<Rule>::value;
template <class Rule>
constexpr bool has_close_tensor = detail::HasCloseTensor<Rule>::value;
template <class Rule>
constexpr bool rows_alone = detail::RowsAlone<Rule>::value && !has_close_tensor<Rule>;
template <class Rule>
constexpr bool has_check = detail::HasCheck<Rule>::value;
template <class Rule>
constexpr bool is_listed = detail::IsListed<Rule>::value;
template <class Rule>
constexpr bool writes_gradient = detail::WritesGradient<Rule>::value;
template <class Rule>
constexpr bool decays_stably = detail::DecaysStably<Rule>::value;
template <class Rule>
constexpr bool apply_writes_state = Rule::apply_pass(Rule::hypers.value).writes_state;
template <class Rule>
constexpr bool has_unit_length = detail::HasUnitLength<Rule>::value;
template <class Rule>
constexpr bool has_check_tensor = detail::HasCheckTensor<Rule>::value;

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
  if constexpr (detail::HasLearningRate<Rule>::value) {
    return Rule::learning_rate(h, t);
  } else {
    return value_or(h, lr, 0);
  }
}

// Two slots that change places from step to step (see Rule::alternating); -1: none.
template <class Rule>
constexpr AlternatingSlots alternation() {
  if constexpr (detail::HasAlternation<Rule>::value) {
    return Rule::alternating;
  } else {
    return {-1, -1};
  }
}

// Whether a pass may leave slot I unwritten: the caller's, one that keeps its value, and the one that rests.
template <class Rule, int I>
constexpr bool is_read_only = SlotsOf<Rule>::template role<I>() == Role::input || SlotsOf<Rule>::template role<I>() == Role::fixed ||
                              I == alternation<Rule>().resting;
template <class Rule>
constexpr Pass update_pass = detail::UpdatePass<Rule>::value;

}  // namespace optim
