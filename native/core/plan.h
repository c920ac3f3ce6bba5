// A plan: one rule bound to all tensors of one optimizer. This is the part that no engine needs to know how to do: the
// checks, the layout of the state slots, the pointers. An engine's Executor carries the steps out.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/cohorts.h"
#include "core/layout.h"
#include "core/param_storage.h"
#include "core/plan_tensor.h"
#include "core/rule_info.h"
#include "helpers/settings.h"

namespace optim {

class Engine;
class Executor;
struct StepInputs;

using HyperRow = std::array<double, max_hypers>;

struct TensorDescription {
  Layout param;
  DType grad_dtype, state_dtype;
  int group;
  void* param_data = nullptr;  // null: bound later
};

struct PlanDescription {
  int rule;
  std::vector<HyperRow> hypers;      // by group
  std::vector<char> steps_by_group;  // by group: its tensors count its steps, also those without their gradients
  std::vector<TensorDescription> tensors;
  HelperSettings helpers;
  ParamStorage storage;
  bool standalone = false;  // for helpers alone: parameters or gradients may be absent
};

class Plan {
 public:
  Plan(Engine& engine, PlanDescription description);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  Engine& engine() const { return engine_; }
  const RuleInfo& rule() const { return rule_; }
  int rule_index() const { return rule_index_; }
  const HelperSettings& helpers() const { return helpers_; }  // as given; a group's are in its options
  const ParamStorage& storage() const { return storage_; }
  const GroupOptions& options(int group) const { return options_[static_cast<std::size_t>(group)]; }
  const std::vector<PlanTensor>& tensors() const { return tensors_; }
  const std::vector<HyperRow>& hypers() const { return hypers_; }
  bool in_double() const { return in_double_; }  // the arithmetic of the step

  // What a step has to do besides the rule's passes.
  bool needs_moments() const { return any_group(moments); }  // of the gradient (and the parameter), before the rule
  bool needs_param_moments() const { return any_group(param_moments); }
  bool needs_products() const { return any_group(products); }
  // Its sum after the update, before the update: stable weight decay.
  bool needs_second_moment() const { return any_group(second_moment); }
  // Of whole tensors, as the maps of their rows leave the gradient.
  bool needs_mapped_moments() const { return any_group(mapped_moments); }
  // Of the mapped gradients: the rule's pre_norm or max_grad_norm.
  bool needs_global_norm() const { return any_group(global_norm); }
  bool maps_parameters() const { return any_group(param_maps); }  // stable weight decay or norm loss
  bool maps_by_row() const { return any_group(row_maps); }        // the maps differ from row to row
  bool looks_ahead() const { return any_group(lookahead); }
  // How a tensor takes part in steps, as it is bound now; without counts.
  Cohort cohort(std::size_t tensor) const;
  bool reduces(const PlanTensor& tensor) const;  // by the rule's passes, rather than by update
  std::int64_t unit_length(const PlanTensor& tensor, const Reduction& reduction) const;  // of what is summed together
  // Whether a reduction steps what it sums together at once, in one read.
  bool stays_on_chip(const PlanTensor& tensor, const Reduction& reduction) const;
  std::uint64_t bytes_per_step() const;

  void bind(void* const* params, void* const* grads, void* const* states);
  // Buffers of the rule's inputs, all of tensor 0, then of tensor 1, ...; null: not given.
  void bind_inputs(void* const* inputs);
  void set_hypers(int group, const double* values, int count);
  void init_states();
  void step(const StepInputs& inputs);
  void set_counts(const std::vector<StepCounts>& counts);  // by tensor
  Executor& executor() const { return *executor_; }

 private:
  // What a group may want of a step. Groups are counted, because there may be many and each step asks.
  enum Want {
    moments,
    param_moments,
    products,
    second_moment,
    mapped_moments,
    global_norm,
    param_maps,
    row_maps,
    lookahead,
    want_count
  };
  static constexpr bool (GroupOptions::*wants[want_count])() const = {
      &GroupOptions::needs_moments,       &GroupOptions::needs_param_moments,  &GroupOptions::needs_products,
      &GroupOptions::needs_second_moment, &GroupOptions::needs_mapped_moments, &GroupOptions::needs_global_norm,
      &GroupOptions::maps_parameters,     &GroupOptions::maps_by_row,          &GroupOptions::looks_ahead};

  // Where a buffer that steps write lies.
  struct Interval {
    static constexpr int param = -1, grad = -2, first_input = -3;  // the next input is -4, ...
    std::uintptr_t begin, end;
    std::size_t tensor;
    int slot;  // of the tensor, or one of those above
  };

  Executor& ready();  // the executor, after checking that everything is bound
  bool any_group(Want want) const { return wanting_[want] > 0; }
  void count_wants(const GroupOptions& options, int change);
  void check_rule_accepts(const GroupOptions& options) const;
  PlanTensor make_tensor(std::size_t index, const TensorDescription& description, bool standalone) const;
  void check_dtypes(std::size_t index, const TensorDescription& description) const;
  void check_view(std::size_t index, const PlanTensor& tensor) const;
  void check_storage() const;
  void check_float(const char* name, double value) const;
  void check_floats(const HyperRow& hypers) const;
  void check_tensor(std::size_t index, const double* hypers, const GroupOptions& options, const Layout& param) const;
  bool checked_units_change(int group, const HyperRow& row, const GroupOptions& options) const;
  std::string what(const Interval& interval) const;
  bool is_bound(void* const* params, void* const* grads, void* const* states) const;
  void check_pointer(const void* data, const Layout& layout, DType dtype, const Interval& where) const;
  std::uint64_t grad_bytes(std::size_t tensor) const;
  std::vector<Interval> written_intervals(const std::vector<void*>& params, const std::vector<void*>& grads,
                                          const std::vector<void*>& states) const;
  // A buffer that steps only read, as large as a gradient.
  void check_gradient(const Interval& where, const void* data, const std::vector<Interval>& intervals) const;
  void exchange(std::vector<void*>& params, std::vector<void*>& grads, std::vector<void*>& states);
  void rebind();
  void check_states();

  Engine& engine_;
  int rule_index_;
  const RuleInfo& rule_;
  HelperSettings helpers_;
  ParamStorage storage_;
  std::vector<HyperRow> hypers_;
  std::vector<char> steps_by_group_;                // by group
  std::vector<GroupOptions> options_;               // by group
  std::array<std::int64_t, want_count> wanting_{};  // groups, by what they want
  std::vector<PlanTensor> tensors_;
  std::vector<Interval> intervals_;  // of the buffers that are bound, sorted
  std::vector<char> inputs_given_;   // by group: the rule has inputs, and they are bound now
  std::vector<char> inputs_seen_;    // by tensor: given at some step
  bool in_double_ = false;
  bool complete_ = false;  // everything a step needs is bound
  bool stale_ = true;      // the executor has not taken over the pointers
  std::unique_ptr<Executor> executor_;
};

// Checks one row of hyper-parameters against the schema; throws naming rule, group, field, value and what is allowed.
void check_hypers(const RuleInfo& rule, int group, const HyperRow& hypers);

// Those of a new plan that is given none.
HyperRow default_hypers(const RuleInfo& rule);

}  // namespace optim
