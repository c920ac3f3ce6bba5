#include "core/plan.h"

#include <algorithm>

#include "core/error.h"
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

// Matrices and numbers per row or tensor are few and sensitive: 16-bit states keep them in F32.
DType unit_dtype(DType state) { return state == DType::f64 ? DType::f64 : DType::f32; }

}  // namespace

void check_hypers(const RuleInfo& rule, int group, const HyperRow& hypers) {
  for (std::size_t i = 0; i < rule.hypers.size(); ++i) {
    const HyperInfo& hyper = rule.hypers[i];
    if (!hyper.range.contains(hypers[i])) {
      invalid(rule.name, ": ", hyper.name, " of group ", group, " is ", hypers[i], "; allowed is ", allowed_values(hyper.range));
    }
  }
  const char* const wrong = rule.check != nullptr ? rule.check(hypers.data()) : nullptr;
  if (wrong != nullptr) invalid(rule.name, ": in group ", group, ", ", wrong);
}

const Slot* PlanTensor::find(int rule_slot, int dimension, std::int64_t block) const {
  if (rule_slot < 0) {
    const auto found = std::find_if(slots.begin(), slots.end(), [&](const Slot& slot) { return slot.rule_slot == rule_slot; });
    return found != slots.end() ? &*found : nullptr;
  }
  const std::int32_t first = first_slot[static_cast<std::size_t>(rule_slot)];
  if (first < 0) return nullptr;
  const std::int64_t index = first + block * view.count() + view.position(dimension);
  return &slots[static_cast<std::size_t>(index)];
}

ElementBuffer PlanTensor::element_buffer(const RuleInfo& rule, int rule_slot) const {
  for (std::size_t i = 0; i < rule.inputs.size(); ++i) {
    if (rule.inputs[i] == rule_slot) return {inputs[i], grad_dtype};
  }
  const SlotShape shape = rule.slots[rule_slot].shape;
  const bool per_element = shape == SlotShape::param || shape == SlotShape::copy || (shape == SlotShape::unit && param.extent.rank < 2);
  const Slot* const slot = per_element && rule_slot != rule.slow_params ? find(rule_slot) : nullptr;
  return slot == nullptr ? ElementBuffer{nullptr, DType::f32} : ElementBuffer{slot->data, slot->layout.dtype};
}

const Slot* PlanTensor::unit_state(const RuleInfo& rule, int rule_slot) const {
  const SlotShape shape = rule.slots[rule_slot].shape;
  const bool per_unit = shape == SlotShape::row || shape == SlotShape::tensor || shape == SlotShape::scalar ||
                        (shape == SlotShape::unit && param.extent.rank >= 2);
  return per_unit ? find(rule_slot) : nullptr;
}

const Slot* PlanTensor::slow_params(const RuleInfo& rule) const {
  const Slot* const own = rule.slow_params >= 0 ? find(rule.slow_params) : nullptr;
  return own != nullptr ? own : find(slow_params_slot);
}

Plan::Plan(Engine& engine, PlanDescription description)
    : engine_(engine),
      rule_index_(description.rule),
      rule_(registry()[description.rule]),
      helpers_(description.helpers),
      hypers_(std::move(description.hypers)) {
  for (std::size_t g = 0; g < hypers_.size(); ++g) {
    complete(rule_, hypers_[g], nullptr);
    check_hypers(rule_, static_cast<int>(g), hypers_[g]);
    options_.push_back(rule_.group_options(hypers_[g].data(), helpers_));
    check_rule_accepts(options_.back());
  }
  inputs_seen_.resize(hypers_.size());
  for (std::size_t i = 0; i < description.params.size(); ++i) {
    PlanTensor tensor{};
    tensor.param = description.params[i];
    tensor.grad_dtype = description.grad_dtypes[i];
    tensor.group = description.groups[i];
    tensor.standalone = description.standalone;
    tensor.inputs.resize(rule_.inputs.size());
    const char* const wrong = rule_.check_tensor != nullptr ? rule_.check_tensor(hypers_[tensor.group].data(), tensor.param) : nullptr;
    if (wrong != nullptr) throw Error(Status::unsupported, message(rule_.name, ": params[", i, "]: ", wrong));
    const DType state_dtype = description.state_dtypes[i];
    const bool f64[] = {tensor.param.dtype == DType::f64, tensor.grad_dtype == DType::f64, state_dtype == DType::f64};
    if (f64[0] != f64[1] || f64[0] != f64[2]) {
      invalid("params[", i, "] is ", name_of(tensor.param.dtype), ", its gradient ", name_of(tensor.grad_dtype), ", its states ",
              name_of(state_dtype), "; F64 is allowed only when all three are F64");
    }
    if (i > 0 && f64[0] != in_double_) {
      invalid("params[", i, "] is ", name_of(tensor.param.dtype), "; a plan's tensors must be all F64 or none");
    }
    in_double_ = f64[0];
    if (normalizes_rows(tensor.param.extent, options_[tensor.group].helpers) && tensor.param.extent.row_length == 1) {
      invalid("params[", i, "] has rows of ", tensor.param.extent.row_length, " elements; normalize_channels needs at least 2");
    }
    if (rule_.shape == Shape::matrix) {
      tensor.view = view_of(tensor, hypers_[static_cast<std::size_t>(tensor.group)]);
      check_view(i, tensor);
    }
    make_slots(tensor, state_dtype);
    tensors_.push_back(std::move(tensor));
  }
  executor_ = engine.make_executor(*this);
  const bool given = std::any_of(description.param_data.begin(), description.param_data.end(), [](void* p) { return p != nullptr; });
  if (given) bind(description.param_data.data(), nullptr, nullptr);
}

Plan::~Plan() = default;

void Plan::check_rule_accepts(const GroupOptions& options) const {
  if (options.helpers.stable_weight_decay > 0 && (rule_.second_moment < 0 || rule_.hyper_index("beta2") < 0)) {
    throw Error(Status::unsupported, message("stable_weight_decay needs a rule with a second moment; ", rule_.name, " has none"));
  }
  if (options.helpers.pullback != Pullback::none && rule_.first_moment() < 0) {
    throw Error(Status::unsupported, message("lookahead_pullback needs a rule with a first moment; ", rule_.name, " has none"));
  }
}

MatrixView Plan::view_of(const PlanTensor& tensor, const HyperRow& hypers) const {
  if (rule_.view == nullptr) return whole_view(tensor.param.rank, tensor.param.shape.data());
  return rule_.view(hypers.data(), tensor.param.rank, tensor.param.shape.data());
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
    refuse("is cut into ", view.blocks(), " blocks of ", view.block, " elements a side; allowed are at most ", most_blocks);
  }
  const MatrixBlock largest = view.block_at(0);
  for (int j = 0; j < view.rank; ++j) {
    if (view.has(j) && largest.size[j] > rule_.max_dimension) {
      refuse("has a matrix of ", largest.size[j], " rows for dimension ", j, "; allowed are at most ", rule_.max_dimension);
    }
  }
}

void Plan::make_slots(PlanTensor& tensor, DType state_dtype) const {
  const HyperRow& hypers = hypers_[tensor.group];
  const Layout& param = tensor.param;
  const auto add = [&](std::string name, const Layout& layout, Initial initial, int rule_slot, int dimension = 0,
                       std::int64_t block = 0) {
    tensor.slots.push_back({std::move(name), layout, initial, rule_slot, dimension, block, nullptr});
  };
  Layout like_param = param;
  like_param.dtype = state_dtype;
  std::array<std::int64_t, max_rank> one_per_row{};
  one_per_row.fill(1);
  one_per_row[0] = param.rank > 0 ? param.shape[0] : 1;
  const std::int64_t one = 1;

  tensor.first_slot.fill(-1);
  for (int i = 0; i < static_cast<int>(rule_.slots.size()); ++i) {
    const SlotInfo& slot = rule_.slots[i];
    if (!rule_.slot_exists(i, hypers.data()) || !rule_.is_state(i)) continue;
    const auto first = static_cast<std::int32_t>(tensor.slots.size());
    SlotShape shape = slot.shape;
    if (shape == SlotShape::unit) shape = param.rank >= 2 ? SlotShape::row : SlotShape::param;
    const DType dtype = unit_dtype(state_dtype);
    switch (shape) {
      case SlotShape::param: add(slot.name, like_param, slot.initial, i); break;
      case SlotShape::copy: add(slot.name, param, slot.initial, i); break;
      case SlotShape::row: add(slot.name, row_major(dtype, std::max(param.rank, 1), one_per_row.data()), slot.initial, i); break;
      case SlotShape::tensor: add(slot.name, row_major(dtype, 1, &one), slot.initial, i); break;
      case SlotShape::unit:
      case SlotShape::scalar: add(slot.name, row_major(dtype, 0, &one), slot.initial, i); break;
      case SlotShape::matrix: break;
    }
    for (std::int64_t q = 0; shape == SlotShape::matrix && tensor.view.dimensions != 0 && q < tensor.view.blocks(); ++q) {
      const MatrixBlock block = tensor.view.block_at(q);
      for (int j = 0; j < tensor.view.rank; ++j) {
        if (!tensor.view.has(j)) continue;
        const std::int64_t square[] = {block.size[j], block.size[j]};
        std::string name = rule_.view != nullptr ? message(slot.name, "_", q, "_", j) : message(slot.name, "_", j);
        add(std::move(name), row_major(dtype, 2, square), slot.initial, i, j, q);
      }
    }
    if (tensor.slots.size() > static_cast<std::size_t>(first)) tensor.first_slot[static_cast<std::size_t>(i)] = first;
  }
  if (helpers_.lookahead_k > 0 && tensor.slow_params(rule_) == nullptr) {
    add("slow_params", like_param, Initial::param, slow_params_slot);
  }
  if (helpers_.lookahead_k > 0 && helpers_.pullback == Pullback::pullback) {
    add("slow_momentum", like_param, Initial::zero, slow_momentum_slot);
  }
}

bool Plan::any_group(bool (*wants)(const GroupOptions&)) const { return std::any_of(options_.begin(), options_.end(), wants); }

bool Plan::needs_param_moments() const {
  return any_group([](const GroupOptions& o) {
    return o.helpers.agc_clip_val > 0 || o.helpers.norm_loss_factor > 0 || (o.adanorm && o.l2 != 0);
  });
}

bool Plan::needs_global_norm() const {
  return any_group([](const GroupOptions& o) { return o.pre_norm || o.max_grad_norm > 0; });
}

bool Plan::maps_parameters() const {
  return any_group([](const GroupOptions& o) { return o.helpers.stable_weight_decay > 0 || o.helpers.norm_loss_factor > 0; });
}

bool Plan::maps_by_row() const {
  return any_group([](const GroupOptions& o) {
    return o.centralize || o.helpers.agc_clip_val > 0 || o.helpers.centralize || o.helpers.norm_loss_factor > 0 ||
           (o.helpers.normalize && o.helpers.normalize_channels);
  });
}

bool Plan::looks_ahead() const {
  return any_group([](const GroupOptions& o) { return o.helpers.lookahead_k > 0; });
}

bool Plan::needs_moments() const {
  return needs_param_moments() || needs_global_norm() || any_group([](const GroupOptions& o) {
           return o.centralize || o.adanorm || o.helpers.skip_nonfinite || o.helpers.clip_norm > 0 || o.helpers.centralize ||
                  o.helpers.normalize;
         });
}

bool Plan::needs_second_moment() const {
  return any_group([](const GroupOptions& o) { return o.helpers.stable_weight_decay > 0; });
}

std::int64_t Plan::unit_length(const PlanTensor& tensor, const Reduction& reduction) const {
  if (reduction.unit_length != nullptr) return reduction.unit_length(hypers_[tensor.group].data(), tensor.param);
  return reduction.scope == Scope::row ? tensor.param.extent.row_length : tensor.param.extent.count;
}

bool Plan::reduces(const PlanTensor& tensor) const {
  const Reduction* const reduction = rule_.reduction;
  if (reduction == nullptr || tensor.param.rank < reduction->reduced_rank) return false;
  return reduction->unit_length == nullptr || unit_length(tensor, *reduction) > 1;
}

std::uint64_t Plan::pass_bytes(const PlanTensor& tensor, const Pass& pass) const {
  const auto count = static_cast<std::uint64_t>(tensor.param.extent.count);
  std::uint64_t bytes = count * size_of(tensor.param.dtype) * (pass.reads_param + pass.writes_param);
  bytes += count * size_of(tensor.grad_dtype) * pass.reads_grad;
  for (const Slot& slot : tensor.slots) {
    if (slot.rule_slot < 0 || slot.rule_slot == rule_.slow_params) continue;
    const bool written = pass.writes_state && slot.rule_slot != rule_.alternating.resting;
    bytes += slot.layout.bytes() * (pass.reads_state + written);
  }
  for (const void* const input : tensor.inputs) {
    if (input != nullptr && pass.reads_inputs) bytes += count * size_of(tensor.grad_dtype);
  }
  return bytes;
}

std::uint64_t Plan::bytes_per_step() const {
  std::uint64_t bytes = 0;
  for (const PlanTensor& tensor : tensors_) {
    if (!tensor.present()) continue;
    const double* const hypers = hypers_[tensor.group].data();
    if (needs_moments()) bytes += pass_bytes(tensor, {needs_param_moments(), true, false, false, false, false});
    if (needs_second_moment()) bytes += pass_bytes(tensor, {true, true, true, false, false});
    if (reduces(tensor)) {
      bytes += pass_bytes(tensor, rule_.reduction->gather_pass(hypers)) + pass_bytes(tensor, rule_.reduction->apply_pass(hypers));
    } else {
      bytes += pass_bytes(tensor, rule_.update_pass);
    }
    if (const int every = options(tensor.group).helpers.lookahead_k) {  // on the average of the steps
      bytes += 2 * tensor.slow_params(rule_)->layout.bytes() / static_cast<std::uint64_t>(every);
    }
  }
  return bytes;
}

void Plan::set_hypers(int group, const double* values, int count) {
  HyperRow row = hypers_[group];
  std::copy(values, values + count, row.begin());
  complete(rule_, row, &hypers_[group]);
  check_hypers(rule_, group, row);
  for (int i = 0; i < static_cast<int>(rule_.slots.size()); ++i) {
    if (rule_.slot_exists(i, row.data()) == rule_.slot_exists(i, hypers_[group].data())) continue;
    const char* const name = rule_.hypers[rule_.slots[i].when].name;
    invalid(rule_.name, ": ", name, " of group ", group, " cannot become ", row[rule_.slots[i].when], "; it decides whether the state ",
            rule_.slots[i].name, " exists, make a new plan");
  }
  const GroupOptions options = rule_.group_options(row.data(), helpers_);
  check_rule_accepts(options);
  std::vector<MatrixView> views;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const PlanTensor& tensor = tensors_[i];
    views.push_back(tensor.group == group && rule_.view != nullptr ? view_of(tensor, row) : tensor.view);
    if (views.back().has_matrices_of(tensor.view)) continue;
    invalid(rule_.name, ": the hyper-parameters of group ", group, " would change the matrices of params[", i,
            "] and with them its states; make a new plan");
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].view = views[i];
  hypers_[group] = row;
  options_[group] = options;
  executor_->hypers_changed(group);
}

void Plan::init_states() {
  ready().init_states();
  std::fill(inputs_seen_.begin(), inputs_seen_.end(), char{0});
}

bool Plan::inputs_given(int group) const {
  if (rule_.inputs.empty()) return false;
  for (const PlanTensor& tensor : tensors_) {
    if (tensor.group != group || !tensor.present()) continue;
    if (std::any_of(tensor.inputs.begin(), tensor.inputs.end(), [](const void* data) { return data != nullptr; })) return true;
  }
  return false;
}

void Plan::step(const StepInputs& inputs) {
  Executor& executor = ready();
  for (std::size_t i = 0; i < tensors_.size() && !rule_.inputs.empty(); ++i) {
    const PlanTensor& tensor = tensors_[i];
    const bool given = inputs_given(tensor.group);
    if (!tensor.present() || (!given && inputs_seen_[tensor.group] != 0)) continue;
    for (std::size_t k = 0; k < tensor.inputs.size(); ++k) {
      if (tensor.inputs[k] != nullptr) continue;
      const char* const name = rule_.slots[rule_.inputs[k]].name;
      if (!given) invalid(rule_.name, ": ", name, " of params[", i, "] is not bound; the first step of a group needs it");
      invalid(rule_.name, ": ", name, " of params[", i, "] is not bound; bind it for all tensors of group ", tensor.group,
              " that have a gradient, or for none");
    }
  }
  executor.step(inputs);
  for (std::size_t g = 0; g < inputs_seen_.size(); ++g) inputs_seen_[g] |= inputs_given(static_cast<int>(g));
}

std::int64_t Plan::input_step_count(int group) const { return executor_->input_step_count(group); }

void Plan::set_input_step_count(int group, std::int64_t steps) {
  executor_->set_input_step_count(group, steps);
  inputs_seen_[group] = steps > 0;
}

Executor& Plan::ready() {
  if (!complete_) check_states();
  if (stale_) rebind();
  return *executor_;
}

}  // namespace optim
