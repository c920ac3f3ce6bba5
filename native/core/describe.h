// Turns a rule's header into its RuleInfo. Included by one generated file per rule.
#pragma once

#include "core/rule.h"
#include "core/rule_info.h"

namespace optim {

template <class Rule>
HypersOf<Rule> hypers_from(const double* values) {
  HypersOf<Rule> h = Rule::hypers;
  for (int i = 0; i < h.count; ++i) h.value[i] = values[i];
  return h;
}

namespace detail {

template <class Rule>
std::vector<SlotInfo> describe_slots() {
  std::vector<SlotInfo> infos(SlotsOf<Rule>::count);
  SlotsOf<Rule>::describe(Rule::hypers, infos.data());
  if constexpr (alternation<Rule>().active >= 0) {
    // Of a pair of momenta neither is the one to pull back.
    for (SlotInfo& slot : infos) slot.role = slot.role == Role::first_moment ? Role::none : slot.role;
  }
  return infos;
}

template <class Rule, class T>
void prepare(const double* hypers, double t, const InputFacts& inputs, void* scalars) {
  *static_cast<ScalarsOf<Rule, T>*>(scalars) = prepared<Rule, T>(hypers_from<Rule>(hypers), t, inputs);
}

template <class Rule>
StateOf<Rule, double> state_from(const double* slots) {
  StateOf<Rule, double> s{};
  for (int i = 0; i < SlotsOf<Rule>::count; ++i) s.value[i] = slots[i];
  return s;
}

template <class Rule, class T>
void specialize(void* scalars, const double* slots, const TensorFacts& facts) {
  const StateOf<Rule, double> s = state_from<Rule>(slots);
  Rule::specialize(*static_cast<ScalarsOf<Rule, T>*>(scalars), s, facts);
}

template <class Rule>
void close_row(double* sums, double* slots, const void* scalars, const Extent& x) {
  StateOf<Rule, double> s = state_from<Rule>(slots);
  Rule::close_row(sums, s, *static_cast<const ScalarsOf<Rule, double>*>(scalars), x);
  for (int i = 0; i < SlotsOf<Rule>::count; ++i) slots[i] = s.value[i];
}

template <class Rule>
void close_tensor(double* sums, double* slots, const void* scalars, const Extent& x) {
  StateOf<Rule, double> s = state_from<Rule>(slots);
  Rule::close_tensor(sums, s, *static_cast<const ScalarsOf<Rule, double>*>(scalars), x);
  for (int i = 0; i < SlotsOf<Rule>::count; ++i) slots[i] = s.value[i];
}

template <class Rule, class T>
void finish(const double* row, const double* tensor, const void* scalars, const Extent& x, void* factors) {
  using Factors = typename Rule::template Factors<T>;
  static_assert(sizeof(typename Rule::template Factors<double>) <= max_factors);
  *static_cast<Factors*>(factors) =
      Rule::template finish<T>(row, tensor, *static_cast<const ScalarsOf<Rule, double>*>(scalars), x);
}

template <class Rule>
Reduction describe_reduction() {
  static_assert(Rule::sum_count <= max_sums);
  Reduction r{};
  r.sum_count = Rule::sum_count;
  r.rows_alone = rows_alone<Rule>;
  if constexpr (is_reduced<Rule>) {
    r.scope = Rule::scope;
    r.reduced_rank = Rule::reduced_rank;
    if constexpr (has_unit_length<Rule>) {
      r.unit_length = [](const double* h, const Layout& tensor) {
        return Rule::unit_length(hypers_from<Rule>(h), tensor);
      };
    }
    r.gather_pass = &Rule::gather_pass;
    r.apply_pass = &Rule::apply_pass;
  } else {
    r.scope = Scope::tensor;
  }
  if constexpr (has_close_row<Rule>) r.close_row = &close_row<Rule>;
  if constexpr (has_close_tensor<Rule>) r.close_tensor = &close_tensor<Rule>;
  r.finish[0] = &finish<Rule, float>;
  r.finish[1] = &finish<Rule, double>;
  return r;
}

}  // namespace detail

template <class Rule>
RuleInfo describe(const char* name) {
  using S = SlotsOf<Rule>;
  static_assert(HypersOf<Rule>::count <= max_hypers && S::count <= max_slots);
  static_assert(sizeof(ScalarsOf<Rule, double>) <= max_scalars);
  static_assert(has_update<Rule> || is_reduced<Rule> || has_measure<Rule>, "a rule needs update, or gather and apply");
  RuleInfo info{};
  info.name = name;
  info.title = Rule::title;
  info.paper = Rule::paper;
  info.url = Rule::url;
  info.summary = Rule::summary;
  info.listed = is_listed<Rule>;
  info.writes_gradient = writes_gradient<Rule>;
  info.update_pass = update_pass<Rule>;
  info.shape = is_matrix<Rule> ? Shape::matrix : is_reduced<Rule> ? Shape::reduced : Shape::elementwise;
  if constexpr (has_aliases<Rule>) {
    for (const Alias<Rule>& alias : Rule::aliases) info.aliases.push_back({alias.name, alias.hyper, alias.value});
  }
  info.hypers = describe_hypers(Rule::hypers);
  info.slots = detail::describe_slots<Rule>();
  info.slow_params = -1;
  info.alternating = alternation<Rule>();
  for (int i = 0; i < S::count; ++i) {
    if (info.slots[static_cast<std::size_t>(i)].role == Role::input) info.inputs.push_back(i);
    if (info.slots[static_cast<std::size_t>(i)].role == Role::slow_params) info.slow_params = i;
  }
  info.second_moment = S::second_moment();
  info.adanorm_slot =
      S::template index<exp_grad_adanorm_slot> < S::count ? S::template index<exp_grad_adanorm_slot> : -1;
  if constexpr (has_check<Rule>) info.check = [](const double* h) { return Rule::check(hypers_from<Rule>(h)); };
  if constexpr (has_check_tensor<Rule>) {
    info.check_tensor = [](const double* h, const Layout& tensor) {
      return Rule::check_tensor(hypers_from<Rule>(h), tensor);
    };
  }
  info.group_options = [](const double* h, const HelperSettings& plan) {
    return group_options(hypers_from<Rule>(h), decays_stably<Rule>, plan);
  };
  info.learning_rate = [](const double* h, double t) { return learning_rate<Rule>(hypers_from<Rule>(h), t); };
  info.prepare[0] = &detail::prepare<Rule, float>;
  info.prepare[1] = &detail::prepare<Rule, double>;
  info.scalars_size[0] = sizeof(ScalarsOf<Rule, float>);
  info.scalars_size[1] = sizeof(ScalarsOf<Rule, double>);
  if constexpr (has_specialize<Rule>) {
    info.specialize[0] = &detail::specialize<Rule, float>;
    info.specialize[1] = &detail::specialize<Rule, double>;
  }
  if constexpr (is_reduced<Rule>) {
    static const Reduction reduction = detail::describe_reduction<Rule>();
    info.reduction = &reduction;
  }
  if constexpr (has_measure<Rule>) {
    static_assert(is_matrix<Rule>, "only a matrix rule measures");
    static const Reduction measure = detail::describe_reduction<Rule>();
    info.measure = &measure;
  }
  if constexpr (has_init<Rule>) {
    static const Reduction init = detail::describe_reduction<typename Rule::init>();
    info.init = &init;
  }
  if constexpr (is_matrix<Rule>) {
    info.max_dimension = Rule::max_dimension;
    info.due = [](const double* h, double t, bool first) { return Rule::due(hypers_from<Rule>(h), t, first); };
    if constexpr (has_view<Rule>) {
      info.view = [](const double* h, int rank, const std::int64_t* shape) {
        return Rule::view(hypers_from<Rule>(h), rank, shape);
      };
    }
    info.program = [](const double* h, const MatrixView& view, std::vector<MatrixOperation>& operations) {
      ProgramBuilder<S> builder(operations);
      Rule::program(builder, hypers_from<Rule>(h), view);
    };
  }
  return info;
}

#define OPTIM_DESCRIBE_RULE(NAME)                                     \
  namespace optim {                                                   \
  RuleInfo describe_##NAME();                                         \
  RuleInfo describe_##NAME() { return describe<rules::NAME>(#NAME); } \
  }

}  // namespace optim
