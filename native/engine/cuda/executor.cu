#include "engine/cuda/executor.h"

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

QueuedWork sum(const QueuedWork& a, const QueuedWork& b) { return {a.launches + b.launches, a.uploads + b.uploads}; }

QueuedWork queued_since(const QueuedWork& before) {
  return {queued.launches - before.launches, queued.uploads - before.uploads};
}

Stream stream_of(const ElementBuffer& buffer) { return {buffer.data, buffer.dtype}; }

// What is summed over a tensor by the passes of a step; null: nothing.
const Reduction* sums_of(const RuleInfo& rule) { return rule.measure != nullptr ? rule.measure : rule.reduction; }

// By tensor; none where hyper-parameters do not decide about them.
std::vector<std::int64_t> unit_lengths(const Plan& plan) {
  std::vector<std::int64_t> lengths;
  const Reduction* const reduction = plan.rule().reduction;
  if (reduction == nullptr || reduction->unit_length == nullptr) return lengths;
  for (const PlanTensor& tensor : plan.tensors()) lengths.push_back(plan.unit_length(tensor, *reduction));
  return lengths;
}

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
      cohorts_(static_cast<std::int64_t>(plan.tensors().size())),
      new_cohorts_(cohorts_.count()),
      counts_aside_(cohorts_.count()),
      state_(1),
      unit_lengths_(unit_lengths(plan)),
      pass_(make_pass()),
      prelude_(plan) {
  groups_.clear(device.stream);
  state_.clear(device.stream);
  if (const Reduction* init = plan.rule().init) {
    init_ = std::make_unique<TilePass>(plan, init, factors_size(kernels_.init), device, [&](const PlanTensor& tensor) {
      return tensor.param.extent.rank >= init->reduced_rank ? TilePass::Part::reduced : TilePass::Part::none;
    });
  }
  if (plan.rule().shape == Shape::matrix) matrix_ = std::make_unique<Matrix>(plan, device, workspace_.back());
  for (std::size_t i = 0; i < plan.hypers().size(); ++i)
    set_group(device, groups_.data() + i, settings_of(static_cast<int>(i)));
  configure();
  set_counts(std::vector<StepCounts>(plan.tensors().size()));
}

TilePass CudaExecutor::make_pass() const {
  return {plan_, sums_of(plan_.rule()), factors_size(kernels_.reduction), device_, [this](const PlanTensor& tensor) {
            if (plan_.rule().measure != nullptr) return TilePass::Part::reduced;
            if (!plan_.reduces(tensor)) return TilePass::Part::whole;
            return plan_.stays_on_chip(tensor, *plan_.rule().reduction) ? TilePass::Part::runs
                                                                        : TilePass::Part::reduced;
          }};
}

// Hyper-parameters may decide which elements are summed together.
void CudaExecutor::follow_units() {
  std::vector<std::int64_t> lengths = unit_lengths(plan_);
  if (lengths == unit_lengths_) return;
  former_passes_.reserve(former_passes_.size() + 1);
  TilePass pass = make_pass();
  std::swap(pass, pass_);
  former_passes_.push_back(std::move(pass));
  unit_lengths_ = std::move(lengths);
}

GroupSettings CudaExecutor::settings_of(int group) const {
  GroupSettings settings{};
  const HyperRow& hypers = plan_.hypers()[static_cast<std::size_t>(group)];
  std::copy(hypers.begin(), hypers.end(), settings.hypers);
  settings.options = plan_.options(group);
  if (const Reduction* reduction = plan_.rule().reduction) {
    settings.gather_pass = reduction->gather_pass(hypers.data());
    settings.apply_pass = reduction->apply_pass(hypers.data());
  }
  return settings;
}

void CudaExecutor::prepare() {
  if (grouping_.all.empty()) return;
  kernels_.prepare[precision_](device_.stream, cohorts_.data(), groups_.data(),
                               static_cast<std::int32_t>(grouping_.all.size()));
}

// Makes room for what the settings of the groups ask for.
void CudaExecutor::configure() {
  prelude_.configure(device_, prelude_.measures());
  if (plan_.needs_second_moment()) pass_.make_room_for_probe(device_);
  if (matrix_ != nullptr) matrix_->program.rebind(plan_, device_.stream);
}

void CudaExecutor::hypers_changed(int group) {
  const DeviceGuard guard(device_.index);
  configure();
  set_group(device_, groups_.data() + group, settings_of(group));
  prepare();
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
  entry.cohort = grouping_.of_tensor[index];
  entry.present = tensor.present();
  entry.reduced = plan_.reduces(tensor);
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

void CudaExecutor::upload_tensors() {
  std::vector<TensorEntry> entries;
  for (std::size_t i = 0; i < plan_.tensors().size(); ++i) entries.push_back(entry_of(i));
  tensors_.upload(entries, device_.stream);
}

// Whether tensors take part as their cohorts do.
bool CudaExecutor::grouped() const {
  for (std::size_t i = 0; i < plan_.tensors().size(); ++i) {
    if (!grouping_.of(i).takes_part_like(plan_.cohort(i))) return false;
  }
  return true;
}

void CudaExecutor::regroup(Cohorts cohorts) {
  new_cohorts_.upload(cohorts.all, device_.stream);
  set_cohorts(device_, tables({}), new_cohorts_.device(), static_cast<std::int32_t>(cohorts.all.size()),
              counts_aside_.data());
  grouping_ = std::move(cohorts);
  prepare();
}

// The device alone knows how many steps were skipped or replayed: cohorts are only ever split, until counts are set.
void CudaExecutor::rebind() {
  const DeviceGuard guard(device_.index);
  const QueuedWork before = queued;
  follow_units();
  configure();
  if (!grouped()) {
    regroup(Cohorts(plan_.tensors().size(), [this](std::size_t i) {
      Cohort cohort = plan_.cohort(i);
      cohort.origin = grouping_.of_tensor[i];
      return cohort;
    }));
  }
  upload_tensors();
  rebound_ = sum(rebound_, queued_since(before));
}

StepTables CudaExecutor::tables(const StepInputs& inputs) const {
  StepTables t{};
  t.tensors = tensors_.device();
  t.groups = groups_.data();
  t.state = state_.data();
  t.cohorts = cohorts_.data();
  t.grad_scale = inputs.grad_scale;
  t.found_inf = inputs.found_inf;
  t.storage = plan_.storage();
  t.settings = plan_.helpers();
  t.tensor_count = static_cast<std::int32_t>(plan_.tensors().size());
  t.measured = plan_.needs_moments() || inputs.overflow != nullptr;
  prelude_.describe(t);
  return t;
}

// Each pass takes the tiles in the opposite order to the one before it, of which the last are in the L2 cache.
void CudaExecutor::start(StartPass pass, PassArguments& arguments) const {
  pass(pass_.over_tiles(device_), arguments);
  arguments.reversed = !arguments.reversed;
}

void CudaExecutor::step(const StepInputs& inputs) {
  const DeviceGuard guard(device_.index);
  const QueuedWork before = queued;
  if (inputs.overflow != nullptr) prelude_.configure(device_, true);
  const StepTables t = tables(inputs);
  PassArguments a = pass_.arguments(t);
  if (t.measured) {
    prelude_.measure(device_, t, inputs);
    a.reversed = true;
  }
  const StartPass first =
      plan_.rule().reduction != nullptr ? kernels_.reduction.gather[precision_] : kernels_.update[precision_];
  if (plan_.needs_second_moment()) {
    a.probe = pass_.probe();
    start(first, a);
    a.probe = nullptr;
  }
  if (matrix_ != nullptr) {
    update_matrix(a);
  } else {
    const bool applies = plan_.rule().reduction != nullptr && pass_.needs_second_pass();
    a.advances = !applies;
    a.turns = pass_.turns(plan_.rule().shape == Shape::elementwise && !t.by_row);
    start(first, a);
    a.advances = true;
    if (applies) start(kernels_.reduction.apply[precision_], a);
  }
  last_step_ = sum(rebound_, queued_since(before));
  rebound_ = {};
}

void CudaExecutor::update_matrix(PassArguments& a) {
  a.prepared = matrix_->prepared.data();
  a.direction = matrix_->direction.data();
  a.due = matrix_->due.data();
  start(kernels_.direct[precision_], a);
  matrix_->program.enqueue(device_.stream, a.prepared, a.direction, a.due, &a.step.state->skips_program);
  if (plan_.rule().measure != nullptr) start(kernels_.reduction.gather[precision_], a);
  a.advances = true;
  start(kernels_.update[precision_], a);
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

// With the scalars of the first step.
void CudaExecutor::initialize_by_rule() {
  StepTables t = tables({});
  t.settings = HelperSettings{};
  t.mapped = t.by_row = t.measured = false;
  t.maps = nullptr;
  t.initialize = true;
  const PassArguments a = init_->arguments(t);
  kernels_.init.gather[precision_](init_->over_tiles(device_), a);
  kernels_.init.apply[precision_](init_->over_tiles(device_), a);
}

void CudaExecutor::init_states() {
  const DeviceGuard guard(device_.index);
  fill(rule_fill_, true);
  set_counts(std::vector<StepCounts>(plan_.tensors().size()));
  if (init_ != nullptr) initialize_by_rule();
  fill(helper_fill_, false);
}

std::vector<StepCounts> CudaExecutor::counts() {
  const DeviceGuard guard(device_.index);
  const auto count = static_cast<std::int64_t>(grouping_.all.size());
  const std::vector<CohortEntry> cohorts = cohorts_.download(device_.stream, count);
  std::vector<StepCounts> result;
  for (const std::int32_t cohort : grouping_.of_tensor) result.push_back(cohorts[cohort].counts);
  return result;
}

void CudaExecutor::set_counts(const std::vector<StepCounts>& counts) {
  const DeviceGuard guard(device_.index);
  regroup(Cohorts(counts.size(), [&](std::size_t i) {
    Cohort cohort = plan_.cohort(i);
    cohort.counts = counts[i];
    return cohort;
  }));
  upload_tensors();
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
