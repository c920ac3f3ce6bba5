#include "engine/cpu/reduced_pass.h"

#include <algorithm>

namespace optim::cpu {

void ReducedPass::rebind(const StepState& state, const Reduction& reduction,
                         const std::function<bool(const PlanTensor&)>& takes_part) {
  reduction_ = &reduction;
  tiling_ = Tiling(tile_length);
  for (const PlanTensor& tensor : state.plan.tensors()) {
    tiling_.add(tensor.param.extent, reduction.scope == Scope::row, takes_part(tensor));
  }
  const auto sums = static_cast<std::size_t>(reduction.sum_count);
  partials_.assign(static_cast<std::size_t>(tiling_.partials) * sums, 0);
  units_.assign(static_cast<std::size_t>(tiling_.units) * sums, 0);
  factors_.assign(static_cast<std::size_t>(tiling_.units) * max_factors, 0);
}

void ReducedPass::run(StepState& state, const ByPrecision<PieceKernel>& gather, const ByPrecision<PieceKernel>& apply,
                      const AfterTile& after) {
  sum(state, gather, reduction_->gather_pass(state.plan.hypers()[0].data()), [](const Tile&, std::int64_t, Piece&) {});
  this->apply(state, apply, after);
}

void ReducedPass::sum(StepState& state, const ByPrecision<PieceKernel>& gather, const Pass& gather_pass,
                      const BeforePiece& before) {
  if (tiling_.tiles.empty()) return;
  const Reduction& reduction = *reduction_;
  const bool unit_is_row = reduction.scope == Scope::row;
  const bool split = unit_is_row || state.by_row;
  std::fill(partials_.begin(), partials_.end(), 0.0);

  state.for_tiles(tiling_, [&](const Tile& tile, Scratch& scratch) {
    OpenTile open(state.streams[tile.tensor], tile, gather_pass, false, state.slots(), state.in_double, state.kernels.generic(),
                  scratch);
    ScalarBytes room;
    const void* const scalars = state.scalars(tile.tensor, state.in_double, room);
    const MapStorage shared_map = state.map(tile.tensor, 0);
    state.for_parts(tile, split, [&](std::int64_t offset, std::int64_t count, std::int64_t row) {
      const MapStorage map = state.by_row ? state.map(tile.tensor, row) : shared_map;
      Piece piece = open.part(offset, count);
      piece.scalars = scalars;
      piece.map = &map;
      piece.sums = &partials_[(tile.partial + (unit_is_row ? row - tile.unit : 0)) * reduction.sum_count];
      before(tile, offset, piece);
      gather[state.in_double](piece);
    });
    open.close();
  });

  state.for_items(static_cast<std::int64_t>(tiling_.tensors.size()), tiling_.units > 1024, [&](std::int64_t i) {
    if (tiling_.tensors[i].units > 0) close(state, static_cast<std::int32_t>(i));
  });
}

void ReducedPass::apply(StepState& state, const ByPrecision<PieceKernel>& apply, const AfterTile& after) {
  if (tiling_.tiles.empty()) return;
  const Reduction& reduction = *reduction_;
  const bool unit_is_row = reduction.scope == Scope::row;
  const bool split = unit_is_row || state.by_row;
  const double* const hypers = state.plan.hypers()[0].data();
  Pass apply_pass = reduction.apply_pass(hypers);
  for (const HyperRow& group : state.plan.hypers()) apply_pass.reads_grad |= reduction.apply_pass(group.data()).reads_grad;
  apply_pass.reads_state |= state.pulls_back;
  apply_pass.writes_state |= state.pulls_back;
  state.for_tiles(tiling_, [&](const Tile& tile, Scratch& scratch) {
    OpenTile open(state.streams[tile.tensor], tile, apply_pass, false, state.slots(), state.in_double, state.kernels.generic(),
                  scratch);
    ScalarBytes room;
    const void* const scalars = state.scalars(tile.tensor, state.in_double, room);
    const MapStorage shared_map = state.map(tile.tensor, 0);
    state.for_parts(tile, split, [&](std::int64_t offset, std::int64_t count, std::int64_t row) {
      const MapStorage map = state.by_row ? state.map(tile.tensor, row) : shared_map;
      Piece piece = open.part(offset, count);
      piece.scalars = scalars;
      piece.map = &map;
      piece.factors = factors(tile.tensor, unit_is_row ? row : 0);
      apply[state.in_double](piece);
    });
    after(tile, open);
    open.close();
  });
}

// The sums of every unit of one tensor, those of the tensor, and the factors that follow from both.
void ReducedPass::close(StepState& state, std::int32_t index) {
  const Reduction& reduction = *reduction_;
  const PlanTensor& tensor = state.plan.tensors()[index];
  const TiledTensor& tiled = tiling_.tensors[index];
  const Extent& extent = tensor.param.extent;
  ScalarBytes room;
  const void* const scalars = state.scalars(index, true, room);
  double total[max_sums] = {};
  for (std::int64_t unit = 0; unit < tiled.units; ++unit) {
    double* const sums = &units_[(tiled.first_unit + unit) * reduction.sum_count];
    std::fill(sums, sums + reduction.sum_count, 0.0);
    const double* partial = &partials_[(tiled.first_partial + unit * tiled.partials_per_unit) * reduction.sum_count];
    for (std::int64_t k = 0; k < tiled.partials_per_unit * reduction.sum_count; ++k) sums[k % reduction.sum_count] += partial[k];
    if (reduction.close_row != nullptr) {
      double slots[max_slots] = {};
      load_unit_slots(tensor, state.rule(), unit, slots);
      reduction.close_row(sums, slots, scalars, extent);
      store_unit_slots(tensor, state.rule(), unit, slots);
    }
    for (int k = 0; k < reduction.sum_count; ++k) total[k] += sums[k];
  }
  if (reduction.close_tensor != nullptr) {
    double slots[max_slots] = {};
    load_unit_slots(tensor, state.rule(), 0, slots);
    reduction.close_tensor(total, slots, scalars, extent);
    store_unit_slots(tensor, state.rule(), 0, slots);
  }
  for (std::int64_t unit = 0; unit < tiled.units; ++unit) {
    const double* const sums = &units_[(tiled.first_unit + unit) * reduction.sum_count];
    reduction.finish[state.in_double](sums, total, scalars, extent, &factors_[(tiled.first_unit + unit) * max_factors]);
  }
}

}  // namespace optim::cpu
