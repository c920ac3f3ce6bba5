// One tensor of a plan: its layout, its state slots, its pointers.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/layout.h"
#include "core/matrix_view.h"
#include "core/rule_info.h"
#include "helpers/settings.h"

namespace optim {

// Values of Slot::rule_slot for the slots that no rule lists.
constexpr int slow_params_slot = -1, slow_momentum_slot = -2, master_param_slot = -3;

// One state buffer of one tensor.
struct Slot {
  std::string name;
  Layout layout;
  Initial initial;
  int rule_slot;  // index in RuleInfo::slots, or one of those above
  int dimension;  // of a matrix slot, and its block
  std::int64_t block;
  void* data = nullptr;

  // Before the rule initializes parameters, rather than from what it made of them.
  bool filled_before_rule() const { return rule_slot >= 0 || rule_slot == master_param_slot; }
};

struct ElementBuffer {
  void* data;
  DType dtype;
};

struct PlanTensor {
  Layout param;  // the gradient and per-element states have its shape
  DType grad_dtype;
  int group;
  void* param_data;
  void* grad_data;  // null: no gradient, the tensor is left alone
  bool standalone;  // of a plan for helpers alone: the parameter or the gradient may be absent
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
  ElementBuffer stored_param() const { return {param_data, param.dtype}; }
  // What a step reads as the parameter: its master weights where they are kept.
  ElementBuffer working_param() const;
  // Lookahead's slow weights: the rule's own or the helper's; null: none.
  const Slot* slow_params(const RuleInfo& rule) const;
};

// How the program of a matrix rule sees a tensor.
MatrixView view_of(const RuleInfo& rule, const double* hypers, const Layout& param);

// The state slots of a tensor whose layout and view are known: the rule's own that exist, then those of helpers.
void make_slots(const RuleInfo& rule, const double* hypers, const HelperSettings& helpers, DType state_dtype,
                PlanTensor* tensor);

// Adds the F32 copy that is stepped in place of a 16-bit parameter; none to one in F32. Throws, with the index in the
// message, for F64.
void add_master_param(std::size_t index, PlanTensor* tensor);

// How many elements of a tensor are summed together.
std::int64_t unit_length(const Reduction& reduction, const double* hypers, const Layout& param);

// Whether a tensor is stepped by the passes of a reduced rule, rather than by its update.
bool reduces(const RuleInfo& rule, const double* hypers, const Layout& param);

// Whether the streams of all that a reduction sums together take at most so many bytes: its second pass then follows at
// once, and finds on the chip what the first has touched.
bool stays_on_chip(const RuleInfo& rule, const Reduction& reduction, const double* hypers, const PlanTensor& tensor,
                   std::int64_t chip_bytes);

}  // namespace optim
