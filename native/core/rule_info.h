// A rule as engines and bindings see it: its schema, and its host functions with the types erased. Kernels are compiled per
// engine and found by the rule's index in the registry.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/extent.h"
#include "core/hyper_info.h"
#include "core/layout.h"
#include "core/program.h"
#include "core/rule.h"
#include "core/slot.h"
#include "helpers/group_options.h"

namespace optim {

constexpr int max_slots = 8;  // of one rule
constexpr int max_hypers = 32;
constexpr int max_sums = 8;               // of one reduced rule
constexpr std::size_t max_scalars = 256;  // bytes of Scalars<double>
constexpr std::size_t max_factors = 64;   // bytes of Factors<double>

enum class Shape { elementwise, reduced, matrix };

// Functions that exist for float and for double, in that order.
template <class Function>
using ByPrecision = Function[2];

// A reduced rule, or the initialization of any rule.
struct Reduction {
  int sum_count;
  Scope scope;
  bool rows_alone;
  int reduced_rank;
  std::int64_t (*unit_length)(const double* hypers, const Layout&);  // null: units are those of the scope
  Pass (*gather_pass)(const double* hypers);
  Pass (*apply_pass)(const double* hypers);
  void (*close_row)(double* sums, double* slots, const void* scalars, const Extent&);  // may be null; scalars in double
  void (*close_tensor)(double* sums, double* slots, const void* scalars, const Extent&);  // may be null
  ByPrecision<void (*)(const double* row, const double* tensor, const void* scalars, const Extent&, void* factors)>
      finish;
};

struct AliasInfo {
  const char* name;
  const char* hyper;
  double value;
};

struct RuleInfo {
  const char* name;
  const char* title;
  const char* paper;
  const char* url;
  const char* summary;
  bool listed;
  bool writes_gradient;
  Pass update_pass;
  Shape shape;
  std::vector<AliasInfo> aliases;
  std::vector<HyperInfo> hypers;
  std::vector<SlotInfo> slots;
  std::vector<int> inputs;  // slots of role input
  int second_moment;        // slot of that role with one value per element; -1: none
  int adanorm_slot;         // AdaNorm's average; -1: none
  int slow_params;          // slot of that role; -1: none
  AlternatingSlots alternating;
  int max_dimension;  // of a matrix rule

  const char* (*check)(const double* hypers);                        // may be null; returns null or what is wrong
  const char* (*check_tensor)(const double* hypers, const Layout&);  // likewise
  GroupOptions (*group_options)(const double* hypers, const HelperSettings& plan);
  double (*learning_rate)(const double* hypers, double t);
  ByPrecision<void (*)(const double* hypers, double t, const InputFacts&, void* scalars)> prepare;
  ByPrecision<void (*)(void* scalars, const double* slots, const TensorFacts&)> specialize;  // may be null
  ByPrecision<std::size_t> scalars_size;

  const Reduction* reduction;  // null unless reduced
  const Reduction* measure;    // of a matrix rule, between its program and its update; null without
  const Reduction* init;       // null without an initialization

  unsigned (*due)(const double* hypers, double t, bool first_step);               // null unless matrix
  MatrixView (*view)(const double* hypers, int rank, const std::int64_t* shape);  // null: the whole tensor
  void (*program)(const double* hypers, const MatrixView& view, std::vector<MatrixOperation>& operations);

  bool slot_exists(int slot, const double* hyper) const {
    const SlotInfo& info = slots[slot];
    if (info.when < 0) return true;
    const double value = hyper[info.when];
    return info.values == 0 ? value != 0 : (info.values >> static_cast<int>(value) & 1u) != 0;
  }
  int hyper_index(const std::string& hyper) const;  // -1: none
  int first_moment() const;                         // slot of that role; -1: none
  bool is_state(int slot) const { return slots[slot].role != Role::input; }
  Pass second_moment_pass(bool l2) const {
    return optim::second_moment_pass(second_moment, slots[second_moment].role, l2);
  }
};

}  // namespace optim
