#include "core/plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/cost.h"
#include "core/error.h"
#include "core/hyper_values.h"
#include "core/registry.h"
#include "engine/engine.h"
#include "helpers/normalization.h"

namespace optim {
namespace {

// Puts in what a 0 stands for: of a new plan, the value of another hyper-parameter; later the value it has had since.
void complete(const RuleInfo& rule, HyperRow& hypers, const HyperRow* before) {
  for (std::size_t i = 0; i < rule.hypers.size(); ++i) {
    const int like = rule.hypers[i].like;
    if (like >= 0 && hypers[i] == 0) hypers[i] = before != nullptr ? (*before)[i] : hypers[like];
  }
}

}  // namespace

void check_hypers(const RuleInfo& rule, int group, const HyperRow& hypers) {
  for (std::size_t i = 0; i < rule.hypers.size(); ++i) {
    const HyperInfo& hyper = rule.hypers[i];
    if (!hyper.range.contains(hypers[i])) {
      invalid(rule.name, ": ", hyper.name, " of group ", group, " is ", hypers[i], "; allowed is ",
              allowed_values(hyper.range));
    }
  }
  const char* const wrong = rule.check != nullptr ? rule.check(hypers.data()) : nullptr;
  if (wrong != nullptr) {
    invalid(rule.name, ": in group ", group, ", ", wrong, "; ", values_named_in(wrong, rule.hypers, hypers.data()));
  }
}

HyperRow default_hypers(const RuleInfo& rule) {
  HyperRow hypers{};
  for (std::size_t i = 0; i < rule.hypers.size(); ++i) hypers[i] = rule.hypers[i].default_value;
  complete(rule, hypers, nullptr);
  return hypers;
}

Plan::Plan(Engine& engine, PlanDescription description)
    : engine_(engine),
      rule_index_(description.rule),
      rule_(registry()[description.rule]),
      helpers_(description.helpers),
      storage_(description.storage),
      hypers_(std::move(description.hypers)),
      steps_by_group_(std::move(description.steps_by_group)) {
  steps_by_group_.resize(hypers_.size());
  check_storage();
  options_.reserve(hypers_.size());
  for (std::size_t g = 0; g < hypers_.size(); ++g) {
    complete(rule_, hypers_[g], nullptr);
    check_hypers(rule_, static_cast<int>(g), hypers_[g]);
    options_.push_back(rule_.group_options(hypers_[g].data(), helpers_));
    check_rule_accepts(options_.back());
    count_wants(options_.back(), 1);
  }
  inputs_given_.resize(hypers_.size());
  inputs_seen_.resize(description.tensors.size());
  std::vector<void*> params;
  params.reserve(description.tensors.size());
  tensors_.reserve(description.tensors.size());
  for (const TensorDescription& tensor : description.tensors) {
    tensors_.push_back(make_tensor(tensors_.size(), tensor, description.standalone));
    in_double_ = tensor.param.dtype == DType::f64;
    params.push_back(tensor.param_data);
  }
  check_float("clip_value", helpers_.clip_value);
  check_float("stable_weight_decay", helpers_.stable_weight_decay);
  check_float("norm_loss_factor", helpers_.norm_loss_factor);
  for (const HyperRow& row : hypers_) check_floats(row);
  executor_ = engine.make_executor(*this);
  if (std::any_of(params.begin(), params.end(), [](void* data) { return data != nullptr; })) {
    bind(params.data(), nullptr, nullptr);
  }
}

Plan::~Plan() = default;

PlanTensor Plan::make_tensor(std::size_t index, const TensorDescription& description, bool standalone) const {
  PlanTensor tensor{};
  tensor.param = description.param;
  tensor.grad_dtype = description.grad_dtype;
  tensor.group = description.group;
  tensor.standalone = standalone;
  tensor.inputs.resize(rule_.inputs.size());
  const double* const hypers = hypers_[tensor.group].data();
  check_dtypes(index, description);
  check_tensor(index, hypers, options_[tensor.group], tensor.param);
  if (rule_.shape == Shape::matrix) {
    tensor.view = view_of(rule_, hypers, tensor.param);
    check_view(index, tensor);
  }
  make_slots(rule_, hypers, helpers_, description.state_dtype, &tensor);
  if (storage_.master_weights) add_master_param(index, &tensor);
  return tensor;
}

// tensors_ has those before this one, and in_double_ is theirs.
void Plan::check_dtypes(std::size_t index, const TensorDescription& description) const {
  const DType param = description.param.dtype, grad = description.grad_dtype, state = description.state_dtype;
  const bool f64 = param == DType::f64;
  if (f64 != (grad == DType::f64) || f64 != (state == DType::f64)) {
    invalid("params[", index, "] is ", name_of(param), ", its gradient ", name_of(grad), ", its states ",
            name_of(state), "; F64 is allowed only when all three are F64");
  }
  if (index > 0 && f64 != in_double_) {
    invalid("params[", index, "] is ", name_of(param), "; a plan's tensors must be all F64 or none");
  }
  if (storage_.stochastic_rounding && param != DType::bf16 && param != DType::f32) {
    invalid("params[", index, "] is ", name_of(param), "; stochastic_rounding is allowed for BF16, beside F32");
  }
}

void Plan::check_rule_accepts(const GroupOptions& options) const {
  if (options.helpers.stable_weight_decay > 0 && (rule_.second_moment < 0 || rule_.hyper_index("beta2") < 0)) {
    throw Error(Status::unsupported,
                message("stable_weight_decay needs a rule with a second moment; ", rule_.name, " has none"));
  }
  if (options.helpers.pullback != Pullback::none && rule_.first_moment() < 0) {
    throw Error(Status::unsupported,
                message("lookahead_pullback needs a rule with a first moment; ", rule_.name, " has none"));
  }
}

void Plan::check_storage() const {
  const bool master = storage_.master_weights, stochastic = storage_.stochastic_rounding;
  if (master && stochastic) {
    invalid(
        "master_weights and stochastic_rounding are both 1; allowed is one of them, since master weights keep what "
        "rounding loses");
  }
  if ((master || stochastic) && !rule_.listed) {
    throw Error(Status::unsupported,
                message(rule_.name, " does not take ", master ? "master_weights" : "stochastic_rounding",
                        "; the rules of the catalogue do"));
  }
}

// Steps in float arithmetic take options as floats, of which a larger number would be infinity.
void Plan::check_float(const char* name, double value) const {
  constexpr double largest = std::numeric_limits<float>::max();
  if (in_double_ || !std::isfinite(value) || std::fabs(value) <= largest) return;
  invalid(name, " is ", value, "; allowed are at most ", largest, ", the largest float, unless tensors are F64");
}

void Plan::check_floats(const HyperRow& hypers) const {
  for (std::size_t i = 0; i < rule_.hypers.size(); ++i) check_float(rule_.hypers[i].name, hypers[i]);
}

void Plan::check_view(std::size_t index, const PlanTensor& tensor) const {
  constexpr std::int64_t most_blocks = 65536;
  const MatrixView& view = tensor.view;
  const auto refuse = [&](const auto&... text) {
    throw Error(Status::unsupported, message(rule_.name, ": params[", index, "] ", text...));
  };
  if (!tensor.param.row_major) refuse("has strides that are not row-major; this rule needs them to be");
  if (view.dimensions == 0) return;
  if (view.blocks() > most_blocks) {
    refuse("is cut into ", view.blocks(), " blocks of ", view.block, " elements a side; allowed are at most ",
           most_blocks);
  }
  const MatrixBlock largest = view.block_at(0);
  for (int j = 0; j < view.rank; ++j) {
    if (view.has(j) && largest.size[j] > rule_.max_dimension) {
      refuse("has a matrix of ", largest.size[j], " rows for dimension ", j, "; allowed are at most ",
             rule_.max_dimension);
    }
  }
}

void Plan::count_wants(const GroupOptions& options, int change) {
  std::size_t want = 0;
  for (bool (GroupOptions::*const wanted)() const : wants) wanting_[want++] += (options.*wanted)() ? change : 0;
}

std::int64_t Plan::unit_length(const PlanTensor& tensor, const Reduction& reduction) const {
  return optim::unit_length(reduction, hypers_[tensor.group].data(), tensor.param);
}

bool Plan::reduces(const PlanTensor& tensor) const {
  return optim::reduces(rule_, hypers_[tensor.group].data(), tensor.param);
}

bool Plan::stays_on_chip(const PlanTensor& tensor, const Reduction& reduction) const {
  return optim::stays_on_chip(rule_, reduction, hypers_[tensor.group].data(), tensor, engine_.chip_bytes);
}

std::uint64_t Plan::bytes_per_step() const {
  const PreludeReads reads{needs_moments(), needs_param_moments(), needs_second_moment()};
  std::uint64_t bytes = 0;
  for (const PlanTensor& tensor : tensors_) {
    if (!tensor.present()) continue;
    const double* const hypers = hypers_[tensor.group].data();
    bytes += step_bytes(rule_, hypers, options(tensor.group), reads, tensor, engine_.chip_bytes);
  }
  return bytes;
}

void Plan::check_tensor(std::size_t index, const double* hypers, const GroupOptions& options,
                        const Layout& param) const {
  const char* const wrong = rule_.check_tensor != nullptr ? rule_.check_tensor(hypers, param) : nullptr;
  if (wrong != nullptr) throw Error(Status::unsupported, message(rule_.name, ": params[", index, "]: ", wrong));
  if (normalizes_rows(param.extent, options.helpers) && param.extent.row_length == 1) {
    invalid("params[", index, "] has rows of 1 element; normalize_channels needs at least 2");
  }
}

// Whether other elements of the group's tensors would be summed together.
bool Plan::checked_units_change(int group, const HyperRow& row, const GroupOptions& options) const {
  const Reduction* const reduction = rule_.reduction;
  const bool has_units = reduction != nullptr && reduction->unit_length != nullptr;
  const bool normalizes = options.helpers.normalize && options.helpers.normalize_channels;
  bool change = false;
  for (std::size_t i = 0; i < tensors_.size() && (has_units || normalizes || rule_.check_tensor != nullptr); ++i) {
    const PlanTensor& tensor = tensors_[i];
    if (tensor.group != group) continue;
    check_tensor(i, row.data(), options, tensor.param);
    if (!has_units) continue;
    change = change || unit_length(tensor, *reduction) != optim::unit_length(*reduction, row.data(), tensor.param);
  }
  return change;
}

void Plan::set_hypers(int group, const double* values, int count) {
  HyperRow row = hypers_[group];
  std::copy(values, values + count, row.begin());
  complete(rule_, row, &hypers_[group]);
  if (row == hypers_[group]) return;
  check_hypers(rule_, group, row);
  check_floats(row);
  for (int i = 0; i < static_cast<int>(rule_.slots.size()); ++i) {
    if (rule_.slot_exists(i, row.data()) == rule_.slot_exists(i, hypers_[group].data())) continue;
    const char* const name = rule_.hypers[rule_.slots[i].when].name;
    invalid(rule_.name, ": ", name, " of group ", group, " cannot become ", row[rule_.slots[i].when],
            "; it decides whether the state ", rule_.slots[i].name, " exists, make a new plan");
  }
  GroupOptions options = rule_.group_options(row.data(), helpers_);
  check_rule_accepts(options);
  const bool units_change = checked_units_change(group, row, options);
  std::vector<std::pair<std::size_t, MatrixView>> views;  // by tensor
  for (std::size_t i = 0; i < tensors_.size() && rule_.view != nullptr; ++i) {
    const PlanTensor& tensor = tensors_[i];
    if (tensor.group != group) continue;
    views.emplace_back(i, view_of(rule_, row.data(), tensor.param));
    if (views.back().second.has_matrices_of(tensor.view)) continue;
    invalid(rule_.name, ": the hyper-parameters of group ", group, " would change the matrices of params[", i,
            "] and with them its states; make a new plan");
  }
  const auto exchange = [&] {
    for (auto& [tensor, view] : views) std::swap(tensors_[tensor].view, view);
    std::swap(hypers_[group], row);
    count_wants(options_[group], -1);
    std::swap(options_[group], options);
    count_wants(options_[group], 1);
  };
  exchange();
  try {
    executor_->hypers_changed(group);
  } catch (...) {
    exchange();
    stale_ = true;
    throw;
  }
  stale_ = stale_ || units_change;
}

void Plan::init_states() {
  ready().init_states();
  std::fill(inputs_seen_.begin(), inputs_seen_.end(), char{0});
}

void Plan::step(const StepInputs& inputs) {
  Executor& executor = ready();
  for (std::size_t i = 0; i < tensors_.size() && !rule_.inputs.empty(); ++i) {
    const PlanTensor& tensor = tensors_[i];
    const bool given = inputs_given_[tensor.group] != 0;
    if (!tensor.present() || (!given && inputs_seen_[i] != 0)) continue;
    for (std::size_t k = 0; k < tensor.inputs.size(); ++k) {
      if (tensor.inputs[k] != nullptr) continue;
      const char* const name = rule_.slots[rule_.inputs[k]].name;
      if (!given)
        invalid(rule_.name, ": ", name, " of params[", i, "] is not bound; the first step of a tensor needs it");
      invalid(rule_.name, ": ", name, " of params[", i, "] is not bound; bind it for all tensors of group ",
              tensor.group, " that have a gradient, or for none");
    }
  }
  executor.step(inputs);
  for (std::size_t i = 0; i < inputs_seen_.size() && !rule_.inputs.empty(); ++i) {
    const Cohort cohort = this->cohort(i);
    inputs_seen_[i] |= cohort.present && cohort.inputs_given;
  }
}

Cohort Plan::cohort(std::size_t index) const {
  const PlanTensor& tensor = tensors_[index];
  Cohort cohort{};
  cohort.group = tensor.group;
  cohort.present = tensor.present();
  cohort.by_group = steps_by_group_[tensor.group] != 0;
  cohort.inputs_given = (cohort.present || cohort.by_group) && inputs_given_[tensor.group] != 0;
  return cohort;
}

void Plan::set_counts(const std::vector<StepCounts>& counts) {
  executor_->set_counts(counts);
  for (std::size_t i = 0; i < counts.size(); ++i) inputs_seen_[i] = counts[i].input_steps > 0;
}

Executor& Plan::ready() {
  if (!complete_) check_states();
  if (stale_) rebind();
  return *executor_;
}

}  // namespace optim
