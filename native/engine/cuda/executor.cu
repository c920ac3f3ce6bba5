#include "engine/cuda/executor.h"

#include "engine/cuda/begin.cuh"
#include "engine/cuda/control.h"

namespace optim::cuda {

#define OPTIM_RULE(NAME) extern const CudaRule cuda_rule_##NAME;
#include "optim_rules.inc"
#undef OPTIM_RULE

namespace {

const CudaRule& kernels_of(int rule) {
  static const CudaRule* const rules[] = {
#define OPTIM_RULE(NAME) &cuda_rule_##NAME,
#include "optim_rules.inc"
#undef OPTIM_RULE
  };
  return *rules[rule];
}

DeviceTiling update_tiling(const Plan& plan, const Device& device) {
  Tiling tiling(tile_length);
  for (const PlanTensor& tensor : plan.tensors()) tiling.add(tensor.param.extent, false, !plan.reduces(tensor));
  return DeviceTiling(tiling, device.stream);
}

Stream stream_of(const ElementBuffer& buffer) { return {buffer.data, buffer.dtype}; }

Stream stream_of(const Slot* slot) {
  return slot == nullptr ? Stream{nullptr, DType::f32} : Stream{slot->data, slot->layout.dtype};
}

}  // namespace

CudaExecutor::Matrix::Matrix(const Plan& plan, const Device& device, std::int64_t elements)
    : program(plan, device.stream),
      prepared(elements * static_cast<std::int64_t>(plan.in_double() ? sizeof(double) : sizeof(float))),
      direction(prepared.count()),
      due(static_cast<std::int64_t>(plan.tensors().size())) {}

CudaExecutor::CudaExecutor(const Plan& plan, const Device& device)
    : plan_(plan),
      device_(device),
      kernels_(kernels_of(plan.rule_index())),
      precision_(plan.in_double() ? 1 : 0),
      workspace_(plan.rule().shape == Shape::matrix ? workspace_begin(plan) : std::vector<std::int64_t>{}),
      tensors_(static_cast<std::int64_t>(plan.tensors().size())),
      groups_(static_cast<std::int64_t>(plan.hypers().size())),
      state_(1),
      first_step_(static_cast<std::int64_t>(plan.tensors().size())),
      update_tiling_(update_tiling(plan, device)),
      prelude_(plan) {
  groups_.clear(device.stream);
  state_.clear(device.stream);
  first_step_.clear(device.stream);
  if (const Reduction* reduction = plan.rule().reduction) {
    reduced_ = std::make_unique<ReducedPass>(plan, *reduction, kernels_.reduction, device,
                                             [&](const PlanTensor& tensor) { return plan.reduces(tensor); });
  }
  if (const Reduction* init = plan.rule().init) {
    init_ = std::make_unique<ReducedPass>(plan, *init, kernels_.init, device, [&](const PlanTensor& tensor) {
      return tensor.param.extent.rank >= init->reduced_rank;
    });
  }
  if (const Reduction* measure = plan.rule().measure) {
    measured_ = std::make_unique<ReducedPass>(plan, *measure, kernels_.reduction, device,
                                              [](const PlanTensor&) { return true; });
  }
  if (plan.rule().shape == Shape::matrix) matrix_ = std::make_unique<Matrix>(plan, device, workspace_.back());
  for (std::size_t i = 0; i < plan.hypers().size(); ++i) hypers_changed(static_cast<int>(i));
}

GroupSettings CudaExecutor::settings_of(int group) const {
  GroupSettings settings{};
  const HyperRow& hypers = plan_.hypers()[static_cast<std::size_t>(group)];
  std::copy(hypers.begin(), hypers.end(), settings.hypers);
  settings.options = plan_.options(group);
  settings.inputs_given = plan_.inputs_given(group);
  if (const Reduction* reduction = plan_.rule().reduction) {
    settings.gather_pass = reduction->gather_pass(hypers.data());
    settings.apply_pass = reduction->apply_pass(hypers.data());
  }
  return settings;
}

void CudaExecutor::hypers_changed(int group) {
  const DeviceGuard guard(device_.index);
  prelude_.configure(device_, prelude_.measures());
  if (plan_.needs_second_moment() && probes_.count() == 0) {
    probes_ = DeviceArray<double>(update_tiling_.tiles() + (reduced_ != nullptr ? reduced_->tiles() : 0));
  }
  if (matrix_ != nullptr) matrix_->program.rebind(plan_, device_.stream);
  set_group(device_, groups_.data() + group, settings_of(group));
}

TensorEntry CudaExecutor::entry_of(std::size_t index) const {
  const PlanTensor& tensor = plan_.tensors()[index];
  const RuleInfo& rule = plan_.rule();
  TensorEntry entry{};
  entry.extent = tensor.param.extent;
  entry.param = stream_of(tensor.working_param());
  if (tensor.find(master_param_slot) != nullptr) entry.narrow_param = stream_of(tensor.stored_param());
  entry.grad = {tensor.grad_data, tensor.grad_dtype};
  entry.slow = stream_of(tensor.slow_params(rule));
  entry.slow_momentum = stream_of(tensor.find(slow_momentum_slot));
  entry.group = tensor.group;
  entry.present = tensor.present();
  entry.workspace = matrix_ != nullptr ? workspace_[index] : 0;
  entry.has_matrices = tensor.view.dimensions != 0;
  for (int i = 0; i < static_cast<int>(rule.slots.size()); ++i) {
    const ElementBuffer buffer = tensor.element_buffer(rule, i);
    const SlotShape shape = rule.slots[static_cast<std::size_t>(i)].shape;
    entry.element[i] = {buffer.data, buffer.dtype};
    entry.unit[i] = stream_of(tensor.unit_state(rule, i));
    if (shape == SlotShape::row || shape == SlotShape::unit) entry.per_row |= 1u << i;
  }
  return entry;
}

void CudaExecutor::rebind() {
  const DeviceGuard guard(device_.index);
  std::vector<TensorEntry> entries;
  for (std::size_t i = 0; i < plan_.tensors().size(); ++i) entries.push_back(entry_of(i));
  tensors_.upload(entries, device_.stream);
  for (std::size_t i = 0; i < plan_.hypers().size() && !plan_.rule().inputs.empty(); ++i) {
    set_group(device_, groups_.data() + i, settings_of(static_cast<int>(i)));
  }
  if (matrix_ != nullptr) matrix_->program.rebind(plan_, device_.stream);
}

StepTables CudaExecutor::tables(const float* grad_scale) const {
  StepTables t{};
  t.tensors = tensors_.device();
  t.groups = groups_.data();
  t.state = state_.data();
  t.first_step = first_step_.data();
  t.grad_scale = grad_scale;
  t.storage = plan_.storage();
  t.settings = plan_.helpers();
  t.tensor_count = static_cast<std::int32_t>(plan_.tensors().size());
  t.group_count = static_cast<std::int32_t>(plan_.hypers().size());
  prelude_.describe(t);
  return t;
}

PassArguments CudaExecutor::pass(const StepTables& tables) const {
  PassArguments a{};
  a.step = tables;
  a.tiling = update_tiling_.view();
  if (matrix_ != nullptr) {
    a.prepared = matrix_->prepared.data();
    a.direction = matrix_->direction.data();
    a.due = matrix_->due.data();
  }
  return a;
}

LaunchOn CudaExecutor::over_tiles() const { return {device_.stream, device_.blocks(update_tiling_.tiles())}; }

void CudaExecutor::step(const StepInputs& inputs) {
  const DeviceGuard guard(device_.index);
  if (inputs.overflow != nullptr) prelude_.configure(device_, true);
  const StepTables t = tables(inputs.grad_scale);
  const bool measures = plan_.needs_moments() || inputs.overflow != nullptr;
  if (measures) prelude_.measure(device_, t);

  BeginArguments begin{};
  begin.step = t;
  begin.found_inf = inputs.found_inf;
  begin.overflow = inputs.overflow;
  begin.skip_nonfinite = inputs.skip_nonfinite || plan_.helpers().skip_nonfinite;
  begin.spans = measures ? prelude_.spans() : nullptr;
  begin.span_count = prelude_.span_count();
  begin.advance = true;
  kernels_.begin({device_.stream, 1}, begin);

  prelude_.compose(device_, t);
  if (plan_.needs_second_moment()) probe_second_moment(t);
  if (matrix_ != nullptr) {
    update_matrix(t);
  } else if (update_tiling_.tiles() > 0) {
    kernels_.update[precision_](over_tiles(), pass(t));
  }
  if (reduced_ != nullptr) reduced_->run(device_, t);
}

void CudaExecutor::probe_second_moment(const StepTables& tables) {
  PassArguments a = pass(tables);
  a.probe = probes_.data();
  if (update_tiling_.tiles() > 0) kernels_.update[precision_](over_tiles(), a);
  if (reduced_ != nullptr) reduced_->probe(device_, tables, probes_.data() + update_tiling_.tiles());
  prelude_.finish_decay(device_, tables, probes_);
}

void CudaExecutor::update_matrix(const StepTables& tables) {
  PassArguments a = pass(tables);
  kernels_.direct[precision_](over_tiles(), a);
  kernels_.mark_due({device_.stream, 1}, a);
  matrix_->program.enqueue(device_.stream, a.prepared, a.direction, a.due, &tables.state->skip);
  if (measured_ != nullptr) a.reduced = measured_->sum(device_, a);
  kernels_.update[precision_](over_tiles(), a);
}

void CudaExecutor::fill(Fill& fill, bool before_rule) {
  std::vector<FillJob> jobs;
  const int matrix_eps = plan_.rule().hyper_index("matrix_eps");
  for (const PlanTensor& tensor : plan_.tensors()) {
    for (const Slot& slot : tensor.slots) {
      if (slot.filled_before_rule() != before_rule || slot.layout.extent.count == 0) continue;
      FillJob job{};
      job.target = stream_of(&slot);
      job.count = slot.layout.extent.count;
      job.initial = slot.initial;
      job.source = stream_of(before_rule ? tensor.stored_param() : tensor.working_param());
      job.order = slot.layout.shape[0];
      job.diagonal = 1;
      if (slot.initial == Initial::identity) {
        job.diagonal = plan_.hypers()[static_cast<std::size_t>(tensor.group)][static_cast<std::size_t>(matrix_eps)];
      }
      jobs.push_back(job);
    }
  }
  if (jobs.empty()) return;
  fill = Fill(jobs, device_);
  fill.run(device_);
}

void CudaExecutor::initialize_by_rule() {
  StepTables t = tables(nullptr);
  t.settings = HelperSettings{};
  t.rows = nullptr;
  t.maps = nullptr;
  t.by_row = false;
  t.initialize = true;
  BeginArguments begin{};
  begin.step = t;
  kernels_.begin({device_.stream, 1}, begin);
  init_->run(device_, t);
}

void CudaExecutor::init_states() {
  const DeviceGuard guard(device_.index);
  fill(rule_fill_, true);
  if (init_ != nullptr) initialize_by_rule();
  fill(helper_fill_, false);
  for (std::size_t i = 0; i < plan_.hypers().size(); ++i) {
    set_step(device_, tables(nullptr), static_cast<int>(i), 0);
    set_input_steps(device_, groups_.data() + i, 0);
  }
}

std::int64_t CudaExecutor::step_count(int group) {
  const DeviceGuard guard(device_.index);
  return groups_.download(device_.stream)[static_cast<std::size_t>(group)].step;
}

void CudaExecutor::set_step_count(int group, std::int64_t step) {
  const DeviceGuard guard(device_.index);
  set_step(device_, tables(nullptr), group, step);
}

std::int64_t CudaExecutor::input_step_count(int group) {
  const DeviceGuard guard(device_.index);
  return groups_.download(device_.stream)[static_cast<std::size_t>(group)].input_steps;
}

void CudaExecutor::set_input_step_count(int group, std::int64_t steps) {
  const DeviceGuard guard(device_.index);
  set_input_steps(device_, groups_.data() + group, steps);
}

std::vector<std::int32_t> CudaExecutor::stepped() {
  const DeviceGuard guard(device_.index);
  std::vector<std::int32_t> result;
  for (const std::int64_t first : first_step_.download(device_.stream)) result.push_back(first != never_stepped);
  return result;
}

void CudaExecutor::set_stepped(const std::vector<std::int32_t>& stepped) {
  const DeviceGuard guard(device_.index);
  std::vector<std::int64_t> first;
  for (const std::int32_t one : stepped) first.push_back(one != 0 ? stepped_before : never_stepped);
  first_step_.upload(first, device_.stream);
}

GlobalFacts CudaExecutor::global_facts() {
  const DeviceGuard guard(device_.index);
  return state_.download(device_.stream)[0].facts;
}

std::vector<Moments> CudaExecutor::row_moments() {
  const DeviceGuard guard(device_.index);
  return prelude_.row_moments(device_);
}

RootCounts CudaExecutor::root_counts() {
  const DeviceGuard guard(device_.index);
  return matrix_ != nullptr ? matrix_->program.root_counts(device_.stream) : RootCounts{};
}

}  // namespace optim::cuda
