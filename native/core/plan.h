// A plan: one rule bound to all tensors of one optimizer. This is the part that no engine needs to know how to do: the checks, the
// layout of the state slots, the pointers. An engine's Executor carries the steps out.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/layout.h"
#include "core/matrix_view.h"
#include "core/rule_info.h"
#include "helpers/settings.h"

namespace optim {

class Engine;
class Executor;
struct StepInputs;

using HyperRow = std::array<double, max_hypers>;

// One state buffer of one tensor.
struct Slot {
  std::string name;
  Layout layout;
  Initial initial;
  int rule_slot;   // index in RuleInfo::slots, or one of the two below
  int dimension;   // of a matrix slot, and its block
  std::int64_t block;
  void* data = nullptr;
};
constexpr int slow_params_slot = -1;
constexpr int slow_momentum_slot = -2;

struct ElementBuffer {
  void* data;
  DType dtype;
};

struct PlanTensor {
  Layout param;  // the gradient and per-element states have its shape
  DType grad_dtype;
  int group;
  void* param_data;
  void* grad_data;    // null: no gradient, the tensor is left alone
  bool standalone;    // of a plan for helpers alone: the parameter or the gradient may be absent
  std::vector<Slot> slots;
  std::array<std::int32_t, max_slots> first_slot;  // of each of the rule's slots; -1: the tensor has none
  MatrixView view;                                 // of a matrix rule

  std::vector<void*> inputs;  // of the rule's input slots, stored as the gradient is; null: not given

  bool present() const { return (grad_data != nullptr || standalone) && param.extent.count > 0; }
  // The buffer of a slot (a matrix slot: of that dimension and block); null if the tensor has none.
  const Slot* find(int rule_slot, int dimension = 0, std::int64_t block = 0) const;
  // The buffer of a rule's slot that its passes take element by element in this tensor; data is null otherwise.
  ElementBuffer element_buffer(const RuleInfo& rule, int rule_slot) const;
  // The state slot of a rule with one value per row or tensor; null otherwise.
  const Slot* unit_state(const RuleInfo& rule, int rule_slot) const;
  // Lookahead's slow weights: the rule's own or the helper's; null: none.
  const Slot* slow_params(const RuleInfo& rule) const;
};

struct PlanDescription {
  int rule;
  std::vector<HyperRow> hypers;  // by group
  std::vector<Layout> params;
  std::vector<void*> param_data;
  std::vector<int> groups;  // by tensor
  HelperSettings helpers;
  std::vector<DType> grad_dtypes;
  std::vector<DType> state_dtypes;
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
  const GroupOptions& options(int group) const { return options_[static_cast<std::size_t>(group)]; }
  const std::vector<PlanTensor>& tensors() const { return tensors_; }
  const std::vector<HyperRow>& hypers() const { return hypers_; }
  bool in_double() const { return in_double_; }  // the arithmetic of the step

  // What a step has to do besides the rule's passes.
  bool needs_moments() const;        // of the gradient (and the parameter), before the rule
  bool needs_param_moments() const;
  bool needs_second_moment() const;  // its sum after the update, before the update: stable weight decay
  bool needs_global_norm() const;    // of the mapped gradients: the rule's pre_norm or max_grad_norm
  bool maps_parameters() const;      // stable weight decay or norm loss
  bool maps_by_row() const;          // the maps differ from row to row
  bool looks_ahead() const;
  bool inputs_given(int group) const;  // the rule has inputs, and they are bound
  bool reduces(const PlanTensor& tensor) const;  // by the rule's passes, rather than by update
  std::int64_t unit_length(const PlanTensor& tensor, const Reduction& reduction) const;  // of what is summed together
  std::uint64_t bytes_per_step() const;

  void bind(void* const* params, void* const* grads, void* const* states);
  // Buffers of the rule's inputs, all of tensor 0, then of tensor 1, ...; null: not given.
  void bind_inputs(void* const* inputs);
  void set_hypers(int group, const double* values, int count);
  void init_states();
  void step(const StepInputs& inputs);
  std::int64_t input_step_count(int group) const;  // steps at which the inputs were given
  void set_input_step_count(int group, std::int64_t steps);
  Executor& executor() const { return *executor_; }

 private:
  // Where a buffer that steps write lies.
  struct Interval {
    static constexpr int param = -1, grad = -2, first_input = -3;  // the next input is -4, ...
    std::uintptr_t begin, end;
    std::size_t tensor;
    int slot;  // of the tensor, or one of those above
  };

  Executor& ready();  // the executor, after checking that everything is bound
  bool any_group(bool (*wants)(const GroupOptions&)) const;
  void check_rule_accepts(const GroupOptions& options) const;
  MatrixView view_of(const PlanTensor& tensor, const HyperRow& hypers) const;
  void check_view(std::size_t index, const PlanTensor& tensor) const;
  void make_slots(PlanTensor& tensor, DType state_dtype) const;
  std::uint64_t pass_bytes(const PlanTensor& tensor, const Pass& pass) const;
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
  std::vector<HyperRow> hypers_;
  std::vector<GroupOptions> options_;  // by group
  std::vector<PlanTensor> tensors_;
  std::vector<Interval> intervals_;  // of the buffers that are bound, sorted
  std::vector<char> inputs_seen_;    // by group: given at some step
  bool in_double_ = false;
  bool complete_ = false;  // everything a step needs is bound
  bool stale_ = true;      // the executor has not taken over the pointers
  std::unique_ptr<Executor> executor_;
};

// Checks one row of hyper-parameters against the schema; throws naming rule, group, field, value and what is allowed.
void check_hypers(const RuleInfo& rule, int group, const HyperRow& hypers);

}  // namespace optim
