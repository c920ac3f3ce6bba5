#include "engine/cpu/prelude.h"

#include <limits>

namespace optim::cpu {
namespace {

constexpr std::int64_t many_units = 1024;

// body(row index among all, row within the tensor) for the units of one tensor.
template <class Body>
void for_units(const TiledTensor& tensor, const Body& body) {
  for (std::int64_t unit = 0; unit < tensor.units; ++unit) body(tensor.first_unit + unit, unit);
}

}  // namespace

void Prelude::rebind(StepState& state) {
  state.by_row = state.plan.maps_by_row();
  tiling_ = Tiling(state.tile_length);
  state.first_row.clear();
  for (const PlanTensor& tensor : state.plan.tensors()) {
    state.first_row.push_back(tiling_.units);
    tiling_.add(tensor.param.extent, state.by_row, tensor.present());
  }
  const auto units = static_cast<std::size_t>(tiling_.units);
  partials_.assign(static_cast<std::size_t>(tiling_.partials), Moments{});
  probes_.assign(tiling_.tiles.size(), 0);
  state.moments.assign(units, Moments{});
  state.rows.assign(units, RowMap::identity());
}

void Prelude::measure(StepState& state, bool with_inputs) {
  const double clip =
      state.plan.helpers().clip_value > 0 ? state.plan.helpers().clip_value : std::numeric_limits<double>::infinity();
  const Plan& plan = state.plan;
  const MeasuredParams params = plan.needs_products()        ? MeasuredParams::products
                                : plan.needs_param_moments() ? MeasuredParams::squares
                                                             : MeasuredParams::none;
  const auto& kernels = state.kernels.generic().moments;
  const MomentsKernel moments = kernels[static_cast<int>(params)][state.in_double];
  const MomentsKernel of_input = kernels[static_cast<int>(MeasuredParams::none)][state.in_double];
  const Pass reads{params != MeasuredParams::none, true, false, false, false, with_inputs};
  state.for_tiles(tiling_, [&](const Tile& tile, Scratch& scratch) {
    const OpenTile open(state, tile, reads, scratch);
    state.for_parts(tile, [&](std::int64_t offset, std::int64_t count, std::int64_t unit) {
      const Piece piece = open.part(offset, count);
      Moments& partial = partials_[tile.partial + (unit - tile.unit)];
      partial = moments(piece.grad, piece.param, count, state.unscale, clip);
      if (!with_inputs) return;
      for (const int slot : state.rule().inputs) {
        if (state.streams[tile.tensor].state[slot].data == nullptr) continue;
        partial.nonfinite += of_input(piece.state[slot], nullptr, count, 1, clip).nonfinite;
      }
    });
  });
  state.for_items(static_cast<std::int64_t>(tiling_.tensors.size()), tiling_.units > many_units, [&](std::int64_t i) {
    const TiledTensor& tensor = tiling_.tensors[i];
    for_units(tensor, [&](std::int64_t row, std::int64_t unit) {
      Moments merged{};
      const std::int64_t first = tensor.first_partial + unit * tensor.partials_per_unit;
      for (std::int64_t k = 0; k < tensor.partials_per_unit; ++k) merged.merge(partials_[first + k]);
      state.moments[row] = merged;
    });
  });
  Moments all{};
  for (const Moments& row : state.moments) all.merge(row);
  begin_global(state.facts, all, state.plan.helpers());
}

void Prelude::compose(StepState& state) {
  state.for_items(static_cast<std::int64_t>(tiling_.tensors.size()), tiling_.units > many_units, [&](std::int64_t i) {
    const PlanTensor& tensor = state.plan.tensors()[i];
    const GroupOptions& options = state.plan.options(tensor.group);
    Moments mapped{};
    for_units(tiling_.tensors[i], [&](std::int64_t row, std::int64_t) {
      state.rows[row] = row_stage(state.moments[row], tensor.param.extent, state.facts, options);
      mapped.merge(mapped_moments(state.moments[row], state.rows[row]));
    });
    state.tensors[i] = tensor_stage(mapped, tensor.param.extent, options.helpers);
  });
  state.facts.mapped_sum_sq = 0;
  for (const TensorMap& tensor : state.tensors) state.facts.mapped_sum_sq += tensor.sum_sq;

  for (std::size_t i = 0; i < state.tensors.size(); ++i) {
    const PlanTensor& tensor = state.plan.tensors()[i];
    const GroupOptions& options = state.plan.options(tensor.group);
    if (!options.adanorm || !tensor.present()) continue;
    double slots[max_slots] = {};
    load_unit_slots(tensor, state.rule(), 0, slots);
    adanorm_stage(state.tensors[i], slots[state.rule().adanorm_slot], state.facts, options);
    store_unit_slots(tensor, state.rule(), 0, slots);
  }
}

void Prelude::probe_second_moment(StepState& state) {
  const auto probe = state.kernels.rule(state.plan.rule_index()).probe[state.in_double];
  state.for_tiles(tiling_, [&](const Tile& tile, Scratch& scratch) {
    const CohortStep& cohort = state.cohorts[state.streams[tile.tensor].cohort];
    const GroupOptions& options = state.plan.options(cohort.group);
    const OpenTile open(state, tile, state.rule().second_moment_pass(options.l2 != 0), scratch);
    ScalarBytes room;
    const void* const scalars = state.scalars(tile.tensor, state.in_double, room);
    double sum = 0;
    state.for_parts(tile, [&](std::int64_t offset, std::int64_t count, std::int64_t row) {
      const MapStorage map = state.map(tile.tensor, row);
      Piece piece = open.part(offset, count);
      piece.scalars = scalars;
      piece.map = &map;
      piece.sums = &sum;
      probe(piece, state.streams[tile.tensor].loops);
    });
    probes_[&tile - tiling_.tiles.data()] =
        corrected_second_moment(sum, options.beta2, static_cast<double>(cohort.made.steps));
  });
  state.facts.second_moment = 0;
  for (double sum : probes_) state.facts.second_moment += sum;
  state.facts.count = 0;
  for (const Tile& tile : tiling_.tiles) state.facts.count += tile.count;
}

void Prelude::decay(StepState& state) {
  state.for_items(static_cast<std::int64_t>(tiling_.tensors.size()), tiling_.units > many_units, [&](std::int64_t i) {
    const CohortStep& cohort = state.cohorts[state.streams[i].cohort];
    for_units(tiling_.tensors[i], [&](std::int64_t row, std::int64_t) {
      state.rows[row].param_scale =
          param_stage(state.moments[row], state.facts, state.plan.options(cohort.group), cohort.lr);
    });
  });
}

}  // namespace optim::cpu
