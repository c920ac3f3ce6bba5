#include "core/plan.h"

#include <algorithm>

#include "core/error.h"
#include "core/registry.h"
#include "engine/engine.h"
#include "helpers/normalization.h"

namespace optim {
namespace {

std::string allowed_values(const Range& range) {
  switch (range.kind) {
    case Kind::boolean: return "0 or 1";
    case Kind::word: {
      std::string words;
      for (int i = 0; i < Range::max_words && range.words[i] != nullptr; ++i) {
        words += message(i == 0 ? "" : ", ", i, " (", range.words[i], ")");
      }
      return words;
    }
    case Kind::integer: return message("whole numbers from ", range.minimum);
    case Kind::real: break;
  }
  return message(range.minimum_open ? "(" : "[", range.minimum, ", ", range.maximum, range.maximum_open ? ")" : "]");
}

bool any_group(const Plan& plan, bool (*wants)(const GradientOptions&)) {
  return std::any_of(plan.hypers().begin(), plan.hypers().end(),
                     [&](const HyperRow& hypers) { return wants(plan.rule().gradient_options(hypers.data())); });
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

void* PlanTensor::element_state(const RuleInfo& rule, int rule_slot) const {
  const SlotShape shape = rule.slots[rule_slot].shape;
  const bool per_element = shape == SlotShape::param || (shape == SlotShape::unit && param.extent.rank < 2);
  const Slot* const slot = per_element ? find(rule_slot) : nullptr;
  return slot == nullptr ? nullptr : slot->data;
}

Plan::Plan(Engine& engine, PlanDescription description)
    : engine_(engine),
      rule_index_(description.rule),
      rule_(registry()[description.rule]),
      helpers_(description.helpers),
      hypers_(std::move(description.hypers)) {
  for (std::size_t g = 0; g < hypers_.size(); ++g) check_hypers(rule_, static_cast<int>(g), hypers_[g]);
  if (helpers_.stable_weight_decay > 0 && (rule_.second_moment < 0 || rule_.hyper_index("beta2") < 0)) {
    throw Error(Status::unsupported, message("stable_weight_decay needs a rule with a second moment; ", rule_.name, " has none"));
  }
  if (helpers_.pullback != Pullback::none && rule_.first_moment() < 0) {
    throw Error(Status::unsupported, message("lookahead_pullback needs a rule with a first moment; ", rule_.name, " has none"));
  }
  for (std::size_t i = 0; i < description.params.size(); ++i) {
    PlanTensor tensor{};
    tensor.param = description.params[i];
    tensor.grad_dtype = description.grad_dtypes[i];
    tensor.group = description.groups[i];
    tensor.standalone = description.standalone;
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
    if (normalizes_rows(tensor.param.extent, helpers_) && tensor.param.extent.row_length == 1) {
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
    if (!rule_.slot_exists(i, hypers.data())) continue;
    const auto first = static_cast<std::int32_t>(tensor.slots.size());
    SlotShape shape = slot.shape;
    if (shape == SlotShape::unit) shape = param.rank >= 2 ? SlotShape::row : SlotShape::param;
    const DType dtype = unit_dtype(state_dtype);
    switch (shape) {
      case SlotShape::param: add(slot.name, like_param, slot.initial, i); break;
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
  if (helpers_.lookahead_k > 0) add("slow_params", like_param, Initial::param, slow_params_slot);
  if (helpers_.lookahead_k > 0 && helpers_.pullback == Pullback::pullback) {
    add("slow_momentum", like_param, Initial::zero, slow_momentum_slot);
  }
}

bool Plan::needs_param_moments() const {
  return helpers_.agc_clip_val > 0 || helpers_.norm_loss_factor > 0 ||
         any_group(*this, [](const GradientOptions& o) { return o.adanorm && o.l2 != 0; });
}

bool Plan::needs_global_norm() const {
  return any_group(*this, [](const GradientOptions& o) { return o.pre_norm || o.max_grad_norm > 0; });
}

bool Plan::uses_adanorm() const {
  return any_group(*this, [](const GradientOptions& o) { return o.adanorm; });
}

bool Plan::needs_moments() const {
  return helpers_.skip_nonfinite || helpers_.clip_norm > 0 || helpers_.centralize || helpers_.normalize || needs_param_moments() ||
         needs_global_norm() || uses_adanorm() || any_group(*this, [](const GradientOptions& o) { return o.centralize; });
}

bool Plan::needs_second_moment() const { return helpers_.stable_weight_decay > 0; }

bool Plan::reduces(const PlanTensor& tensor) const {
  return rule_.reduction != nullptr && tensor.param.rank >= rule_.reduction->reduced_rank;
}

std::uint64_t Plan::pass_bytes(const PlanTensor& tensor, const Pass& pass) const {
  const auto count = static_cast<std::uint64_t>(tensor.param.extent.count);
  std::uint64_t bytes = count * size_of(tensor.param.dtype) * (pass.reads_param + pass.writes_param);
  bytes += count * size_of(tensor.grad_dtype) * pass.reads_grad;
  for (const Slot& slot : tensor.slots) {
    if (slot.rule_slot >= 0) bytes += slot.layout.bytes() * (pass.reads_state + pass.writes_state);
  }
  return bytes;
}

std::uint64_t Plan::bytes_per_step() const {
  std::uint64_t bytes = 0;
  for (const PlanTensor& tensor : tensors_) {
    if (!tensor.present()) continue;
    const double* const hypers = hypers_[tensor.group].data();
    if (needs_moments()) bytes += pass_bytes(tensor, {needs_param_moments(), true, false, false, false});
    if (needs_second_moment()) bytes += pass_bytes(tensor, {true, true, true, false, false});
    if (reduces(tensor)) {
      bytes += pass_bytes(tensor, rule_.reduction->gather_pass(hypers)) + pass_bytes(tensor, rule_.reduction->apply_pass(hypers));
    } else {
      bytes += pass_bytes(tensor, {true, true, true, true, true});
    }
    if (helpers_.lookahead_k > 0) {  // on the average of the steps
      bytes += 2 * tensor.find(slow_params_slot)->layout.bytes() / static_cast<std::uint64_t>(helpers_.lookahead_k);
    }
  }
  return bytes;
}

void Plan::set_hypers(int group, const double* values, int count) {
  HyperRow row = hypers_[group];
  std::copy(values, values + count, row.begin());
  check_hypers(rule_, group, row);
  for (int i = 0; i < static_cast<int>(rule_.slots.size()); ++i) {
    if (rule_.slot_exists(i, row.data()) == rule_.slot_exists(i, hypers_[group].data())) continue;
    const char* const name = rule_.hypers[rule_.slots[i].when].name;
    invalid(rule_.name, ": ", name, " of group ", group, " cannot become ", row[rule_.slots[i].when], "; it decides whether the state ",
            rule_.slots[i].name, " exists, make a new plan");
  }
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
  executor_->hypers_changed(group);
}

void Plan::init_states() {
  ready().init_states();
}

Executor& Plan::ready() {
  if (!complete_) check_states();
  if (stale_) rebind();
  return *executor_;
}

}  // namespace optim
