#include "engine/cpu/executor.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "core/codec.h"
#include "helpers/lookahead.h"

namespace optim::cpu {
namespace {

// A slot becomes the parameter's values, in its own storage type.
void copy_param(const ElementBuffer& param, const Slot& slot, const GenericKernels& kernels) {
  const std::int64_t count = slot.layout.extent.count;
  if (param.dtype == slot.layout.dtype) {
    std::memcpy(slot.data, param.data, slot.layout.bytes());
    return;
  }
  // Different types are among f32, f16 and bf16: go through f32.
  std::vector<float> wide;
  const auto* values = static_cast<const float*>(param.data);
  if (param.dtype != DType::f32) {
    wide.resize(static_cast<std::size_t>(count));
    kernels.widen[static_cast<int>(param.dtype)](param.data, wide.data(), count);
    values = wide.data();
  }
  if (slot.layout.dtype == DType::f32) {
    std::memcpy(slot.data, values, slot.layout.bytes());
  } else {
    kernels.narrow[static_cast<int>(slot.layout.dtype)](values, slot.data, count);
  }
}

void fill_identity(const Slot& slot, double value) {
  const std::int64_t n = slot.layout.shape[0];
  std::memset(slot.data, 0, slot.layout.bytes());
  for (std::int64_t i = 0; i < n; ++i) {
    if (slot.layout.dtype == DType::f64) {
      static_cast<double*>(slot.data)[i * n + i] = value;
    } else {
      static_cast<float*>(slot.data)[i * n + i] = static_cast<float>(value);
    }
  }
}

}  // namespace

CpuExecutor::CpuExecutor(const Plan& plan, int threads) : plan_(plan), state_(plan, threads) {
  regroup(std::vector<StepCounts>(plan.tensors().size()));
  if (plan.rule().shape == Shape::matrix) {
    matrix_ = std::make_unique<CpuMatrixProgram>(plan, state_.kernels.matrix(), threads);
    due_.resize(plan.tensors().size());
  }
}

void CpuExecutor::hypers_changed(int) {
  if (!state_.streams.empty() && state_.by_row != plan_.maps_by_row()) prelude_.rebind(state_);
  const bool bound = workspace_begin_.size() == plan_.tensors().size();
  if (matrix_ != nullptr && bound) matrix_->rebind(workspace_begin_);
}

std::vector<StepCounts> CpuExecutor::counts() {
  std::vector<StepCounts> result;
  for (const std::int32_t cohort : cohort_of_) result.push_back(state_.cohorts[cohort].counts);
  return result;
}

// Whether tensors take part as their cohorts do.
bool CpuExecutor::grouped() const {
  for (std::size_t i = 0; i < cohort_of_.size(); ++i) {
    if (!state_.cohorts[cohort_of_[i]].takes_part_like(plan_.cohort(i))) return false;
  }
  return true;
}

void CpuExecutor::regroup(const std::vector<StepCounts>& counts) {
  Cohorts cohorts(counts.size(), [&](std::size_t i) {
    Cohort cohort = plan_.cohort(i);
    cohort.counts = counts[i];
    return cohort;
  });
  std::vector<CohortStep> steps(cohorts.all.begin(), cohorts.all.end());
  state_.cohorts.swap(steps);
  cohort_of_.swap(cohorts.of_tensor);
  for (std::size_t i = 0; i < state_.streams.size(); ++i) join_cohort(i);
}

void CpuExecutor::join_cohort(std::size_t tensor) {
  TensorStreams& streams = state_.streams[tensor];
  streams.cohort = cohort_of_[tensor];
  const CohortStep& cohort = state_.cohorts[streams.cohort];
  streams.whole.scalars = cohort.scalars[state_.in_double].bytes;
  streams.whole.map = &cohort.map;
}

void CpuExecutor::rebind() {
  if (!grouped()) regroup(counts());
  state_.streams.clear();
  state_.streams.reserve(plan_.tensors().size());
  update_tiling_ = Tiling(state_.tile_length);
  workspace_begin_.clear();
  std::int64_t elements = 0;
  for (const PlanTensor& tensor : plan_.tensors()) {
    state_.streams.emplace_back(tensor, plan_.rule());
    update_tiling_.add(tensor.param.extent, false, tensor.present() && !plan_.reduces(tensor));
    workspace_begin_.push_back(elements);
    if (tensor.present()) elements += tensor.param.extent.count;
    join_cohort(state_.streams.size() - 1);
  }
  prelude_.rebind(state_);
  if (const Reduction* reduction = plan_.rule().reduction) {
    reduced_.rebind(state_, *reduction, [&](const PlanTensor& t) { return t.present() && plan_.reduces(t); });
  }
  if (const Reduction* measure = plan_.rule().measure) {
    measured_.rebind(state_, *measure, [](const PlanTensor& t) { return t.present(); });
  }
  if (matrix_ != nullptr) {
    matrix_->rebind(workspace_begin_);
    prepared_.resize(static_cast<std::size_t>(elements) * state_.element_size());
    direction_.resize(prepared_.size());
  }
}

// Works out what the step that makes the cohort's counts `made` needs.
void CpuExecutor::prepare(CohortStep& cohort, bool inputs_given) {
  const RuleInfo& rule = plan_.rule();
  const double* const hypers = plan_.hypers()[cohort.group].data();
  const auto t = static_cast<double>(cohort.made.steps);
  cohort.lr = rule.learning_rate(hypers, t);
  cohort.swapped = rule.alternating.swapped(t);
  const InputFacts inputs{inputs_given, static_cast<double>(cohort.made.input_steps)};
  for (int precision = 0; precision < 2; ++precision)
    rule.prepare[precision](hypers, t, inputs, cohort.scalars[precision].bytes);
}

void CpuExecutor::fill_slot(const PlanTensor& tensor, const Slot& slot) {
  if (slot.layout.extent.count == 0) return;
  switch (slot.initial) {
    case Initial::zero:
      std::memset(slot.data, 0, slot.layout.bytes());
      break;
    case Initial::param: {
      const ElementBuffer param = slot.filled_before_rule() ? tensor.stored_param() : tensor.working_param();
      copy_param(param, slot, state_.kernels.generic());
      break;
    }
    case Initial::identity:
      fill_identity(slot, plan_.hypers()[tensor.group][plan_.rule().hyper_index("matrix_eps")]);
      break;
    case Initial::unit:
      fill_identity(slot, 1);
      break;
  }
}

void CpuExecutor::init_states() {
  regroup(std::vector<StepCounts>(plan_.tensors().size()));
  for (const PlanTensor& tensor : plan_.tensors()) {
    for (const Slot& slot : tensor.slots) {
      if (slot.filled_before_rule()) fill_slot(tensor, slot);
    }
  }
  if (const Reduction* init = plan_.rule().init) {
    state_.measured = false;
    for (CohortStep& cohort : state_.cohorts) {
      cohort.made.steps = 1;
      prepare(cohort, false);
      cohort.map = state_.make_map(cohort.group, RowMap::identity(), 1);
      cohort.made = cohort.counts;  // step 0, of which the draws are
    }
    ReducedPass pass;
    pass.rebind(state_, *init, [&](const PlanTensor& t) { return t.param.extent.rank >= init->reduced_rank; });
    const RuleKernels& kernels = state_.kernels.rule(plan_.rule_index());
    pass.run(state_, kernels.init_gather, kernels.init_apply, [](const Tile&, OpenTile&) {});
  }
  for (const PlanTensor& tensor : plan_.tensors()) {
    for (const Slot& slot : tensor.slots) {
      if (!slot.filled_before_rule()) fill_slot(tensor, slot);
    }
  }
}

void CpuExecutor::step(const StepInputs& inputs) {
  if (inputs.found_inf != nullptr && *inputs.found_inf != 0) return;
  state_.unscale = inputs.grad_scale != nullptr ? 1 / static_cast<double>(*inputs.grad_scale) : 1;
  if (plan_.needs_moments() || inputs.overflow != nullptr) {
    const bool skips = inputs.skip_nonfinite || plan_.helpers().skip_nonfinite;
    prelude_.measure(state_, skips || inputs.overflow != nullptr);
    const bool overflow = state_.facts.nonfinite > 0;
    if (overflow && inputs.overflow != nullptr) *inputs.overflow = 1;
    if (overflow && skips) return;
  }
  state_.measured = plan_.needs_moments() || plan_.needs_second_moment();
  state_.pulls_back = false;
  for (CohortStep& cohort : state_.cohorts) {
    cohort.made = cohort.counts;
    cohort.count_step(cohort.made);
    if (!cohort.present) continue;
    const GroupOptions& options = plan_.options(cohort.group);
    prepare(cohort, cohort.inputs_given);
    cohort.map = state_.make_map(cohort.group, RowMap::identity(), 1);
    cohort.plain = options.l2 == 0 && options.helpers.clip_value == 0;
    cohort.looks_ahead = lookahead_due(static_cast<double>(cohort.made.steps), options.helpers.lookahead_k);
    state_.pulls_back |= cohort.looks_ahead && options.helpers.pullback != Pullback::none;
  }
  if (plan_.needs_moments()) prelude_.compose(state_);
  if (plan_.needs_second_moment()) prelude_.probe_second_moment(state_);
  if (plan_.maps_parameters()) prelude_.decay(state_);

  if (matrix_ != nullptr) {
    update_matrix();
  } else {
    update();
  }
  if (plan_.rule().reduction != nullptr) {
    const RuleKernels& kernels = state_.kernels.rule(plan_.rule_index());
    reduced_.run(state_, kernels.gather, kernels.apply,
                 [this](const Tile& tile, OpenTile& open) { look_ahead(tile, open); });
  }
  for (CohortStep& cohort : state_.cohorts) cohort.counts = cohort.made;
}

void CpuExecutor::look_ahead(const Tile& tile, OpenTile& open) {
  const CohortStep& cohort = state_.cohorts[state_.streams[tile.tensor].cohort];
  if (!cohort.looks_ahead) return;
  LookaheadPiece piece = open.lookahead(plan_.rule().first_moment());
  piece.alpha = plan_.options(cohort.group).helpers.lookahead_alpha;
  piece.pullback = plan_.options(cohort.group).helpers.pullback;
  state_.kernels.generic().lookahead[state_.in_double](piece);
}

char* CpuExecutor::workspace(std::vector<char>& memory, const Tile& tile) {
  return memory.data() + static_cast<std::size_t>(workspace_begin_[tile.tensor] + tile.begin) * state_.element_size();
}

void CpuExecutor::add_workspace(const Tile& tile, std::int64_t offset, Piece& piece) {
  const std::size_t at = static_cast<std::size_t>(offset) * state_.element_size();
  piece.direction = workspace(direction_, tile) + at;
  piece.prepared = workspace(prepared_, tile) + at;
}

// Runs a kernel over the parts of a tile. from_direction: a matrix rule's update, along the direction that its program left.
void CpuExecutor::run_piece(const PieceKernel& kernel, const Tile& tile, OpenTile& open, bool from_direction) {
  ScalarBytes room;
  const void* const scalars = state_.scalars(tile.tensor, state_.in_double, room);
  state_.for_parts(tile, [&](std::int64_t offset, std::int64_t count, std::int64_t row) {
    MapStorage map = state_.map(tile.tensor, row);
    Piece piece = open.part(offset, count);
    piece.scalars = scalars;
    piece.map = &map;
    if (matrix_ != nullptr) add_workspace(tile, offset, piece);
    if (from_direction) {
      piece.grad = piece.direction;
      if (plan_.rule().measure != nullptr) piece.factors = measured_.factors(tile.tensor, 0);
      constexpr double none = std::numeric_limits<double>::infinity();
      if (state_.in_double) {
        map.in_double = {1, none, 1, 0, 0, map.in_double.param_scale};
      } else {
        map.in_float = {1, static_cast<float>(none), 1, 0, 0, map.in_float.param_scale};
      }
    }
    kernel(piece, state_.streams[tile.tensor].loops);
  });
}

// The shortest way through a tile when nothing differs between the rows of a tensor and no helper follows the rule: among many small
// tensors, bookkeeping is what counts.
void CpuExecutor::update_directly(const PieceKernel& kernel, const Tile& tile, const TensorStreams& streams,
                                  const Scratch& scratch) {
  const Loops loops = state_.loops(tile.tensor);
  const bool specialized = plan_.rule().specialize[state_.in_double] != nullptr;
  const bool swapped = state_.cohorts[streams.cohort].swapped;
  if (!specialized && !swapped && streams.in_place && tile.count == streams.whole.count) {
    kernel(streams.whole, loops);
    return;
  }
  ScalarBytes room;
  Piece piece = part_of(streams.whole, tile.begin, tile.count, state_.in_double);
  if (specialized) piece.scalars = state_.scalars(tile.tensor, state_.in_double, room);
  const GenericKernels& generic = state_.kernels.generic();
  for (int i = 0; i < streams.widened_count; ++i) {
    const TensorStreams::Widened& stream = streams.widened[i];
    void* const wide = stream_of(piece, stream.index) = scratch.stream(i);
    generic.widen[static_cast<int>(stream.stored.dtype)](stream.at(tile.begin), static_cast<float*>(wide), tile.count);
  }
  state_.swap_alternating(streams.cohort, piece);
  kernel(piece, loops);
  if (streams.narrow_param.data != nullptr) state_.narrow_param(tile.tensor, piece.param, tile.begin, tile.count);
  for (int i = 0; i < streams.widened_count; ++i) {
    const TensorStreams::Widened& stream = streams.widened[i];
    if (!stream.written) continue;
    generic.narrow[static_cast<int>(stream.stored.dtype)](static_cast<const float*>(scratch.stream(i)),
                                                          stream.at(tile.begin), tile.count);
  }
}

void CpuExecutor::update() {
  const PieceKernel& kernel = state_.kernels.rule(plan_.rule_index()).update[state_.in_double];
  const Pass pass = plan_.rule().update_pass;
  const Tile* const end = update_tiling_.tiles.data() + update_tiling_.tiles.size();
  const bool uniform = !state_.measured && !plan_.looks_ahead();
  // Small tensors take less time than memory does to answer: it is asked early for their data, and earlier for where they are.
  constexpr int data_ahead = 2, places_ahead = 8;  // tiles
  state_.for_tiles(update_tiling_, [&](const Tile& tile, Scratch& scratch) {
    const TensorStreams& streams = state_.streams[tile.tensor];
    if (end - &tile > places_ahead) {
      __builtin_prefetch(&state_.streams[(&tile)[places_ahead].tensor]);
      const Tile& soon = (&tile)[data_ahead];
      if (soon.begin == 0) state_.streams[soon.tensor].prefetch();
    }
    if (uniform && streams.complete) {
      update_directly(kernel, tile, streams, scratch);
      return;
    }
    OpenTile open(state_, tile, pass, scratch);
    run_piece(kernel, tile, open, false);
    look_ahead(tile, open);
    open.close();
  });
}

void CpuExecutor::update_matrix() {
  const RuleKernels& kernels = state_.kernels.rule(plan_.rule_index());
  const auto run = [&](const PieceKernel& kernel, const Pass& pass, bool from_direction) {
    state_.for_tiles(update_tiling_, [&](const Tile& tile, Scratch& scratch) {
      OpenTile open(state_, tile, pass, scratch);
      run_piece(kernel, tile, open, from_direction);
      if (from_direction) look_ahead(tile, open);
      open.close();
    });
  };
  run(kernels.direct[state_.in_double], {true, true, true, false, true}, false);
  for (std::size_t i = 0; i < due_.size(); ++i) {
    const CohortStep& cohort = state_.cohorts[cohort_of_[i]];
    due_[i] = plan_.rule().due(plan_.hypers()[cohort.group].data(), static_cast<double>(cohort.made.steps),
                               !cohort.counts.stepped);
  }
  if (state_.in_double) {
    matrix_->run(reinterpret_cast<const double*>(prepared_.data()), reinterpret_cast<double*>(direction_.data()),
                 due_.data());
  } else {
    matrix_->run(reinterpret_cast<const float*>(prepared_.data()), reinterpret_cast<float*>(direction_.data()),
                 due_.data());
  }
  if (plan_.rule().measure != nullptr) {
    measured_.sum(state_, kernels.measure, {false, false, true, false, false},
                  [this](const Tile& tile, std::int64_t offset, Piece& piece) { add_workspace(tile, offset, piece); });
  }
  run(kernels.update[state_.in_double], {true, false, true, true, true}, true);
}

}  // namespace optim::cpu
