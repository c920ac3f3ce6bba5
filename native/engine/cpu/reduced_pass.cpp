#include "engine/cpu/reduced_pass.h"

#include <algorithm>

namespace optim::cpu {

void ReducedPass::rebind(const StepState& state, const Reduction& reduction,
                         const std::function<bool(const PlanTensor&)>& takes_part) {
  reduction_ = &reduction;
  tiling_ = Tiling(state.tile_length);
  for (const PlanTensor& tensor : state.plan.tensors()) {
    const bool part = takes_part(tensor);
    tiling_.add_units(tensor.param.extent.count, part ? state.plan.unit_length(tensor, reduction) : 1, part);
  }
  const auto sums = static_cast<std::size_t>(reduction.sum_count);
  partials_.assign(static_cast<std::size_t>(tiling_.partials) * sums, 0);
  units_.assign(static_cast<std::size_t>(tiling_.units) * sums, 0);
  tensors_.assign(tiling_.tensors.size() * sums, 0);
  factors_.assign(static_cast<std::size_t>(tiling_.units) * max_factors, 0);
}

void ReducedPass::run(StepState& state, const ByPrecision<PieceKernel>& gather, const ByPrecision<PieceKernel>& apply,
                      const AfterTile& after) {
  Pass gather_pass{};
  for (const HyperRow& group : state.plan.hypers()) gather_pass |= reduction_->gather_pass(group.data());
  sum(state, gather, gather_pass, [](const Tile&, std::int64_t, Piece&) {});
  this->apply(state, apply, after);
}

void ReducedPass::sum(StepState& state, const ByPrecision<PieceKernel>& gather, const Pass& gather_pass,
                      const BeforePiece& before) {
  if (tiling_.tiles.empty()) return;
  const Reduction& reduction = *reduction_;
  std::fill(partials_.begin(), partials_.end(), 0.0);

  state.for_tiles(tiling_, [&](const Tile& tile, Scratch& scratch) {
    OpenTile open(state, tile, gather_pass, scratch);
    ScalarBytes room;
    const void* const scalars = state.scalars(tile.tensor, state.in_double, room);
    const MapStorage shared_map = state.map(tile.tensor, 0);
    const std::int64_t unit_length = tiling_.tensors[tile.tensor].unit_length;
    state.for_parts(tile, unit_length,
                    [&](std::int64_t offset, std::int64_t count, std::int64_t row, std::int64_t unit) {
                      const MapStorage map = state.by_row ? state.map(tile.tensor, row) : shared_map;
                      Piece piece = open.part(offset, count);
                      piece.unit_length = unit_length;
                      piece.scalars = scalars;
                      piece.map = &map;
                      piece.sums = &partials_[(tile.partial + (unit - tile.unit)) * reduction.sum_count];
                      before(tile, offset, piece);
                      gather[state.in_double](piece, state.streams[tile.tensor].loops);
                    });
    open.close();
  });

  state.for_items(static_cast<std::int64_t>(tiling_.tensors.size()), tiling_.units > 1024, [&](std::int64_t i) {
    if (tiling_.tensors[i].units == 0) return;
    close(state, static_cast<std::int32_t>(i));
    if (reduction.scope != Scope::all) finish(state, static_cast<std::int32_t>(i), &tensors_[i * reduction.sum_count]);
  });
  if (reduction.scope == Scope::all) finish_all(state);
}

void ReducedPass::apply(StepState& state, const ByPrecision<PieceKernel>& apply, const AfterTile& after) {
  if (tiling_.tiles.empty()) return;
  const Reduction& reduction = *reduction_;
  Pass apply_pass{};
  for (const HyperRow& group : state.plan.hypers()) apply_pass |= reduction.apply_pass(group.data());
  apply_pass.reads_state |= state.pulls_back;
  apply_pass.writes_state |= state.pulls_back;
  state.for_tiles(tiling_, [&](const Tile& tile, Scratch& scratch) {
    OpenTile open(state, tile, apply_pass, scratch);
    ScalarBytes room;
    const void* const scalars = state.scalars(tile.tensor, state.in_double, room);
    const MapStorage shared_map = state.map(tile.tensor, 0);
    const TiledTensor& tiled = tiling_.tensors[tile.tensor];
    state.for_parts(tile, tiled.unit_length,
                    [&](std::int64_t offset, std::int64_t count, std::int64_t row, std::int64_t unit) {
                      const MapStorage map = state.by_row ? state.map(tile.tensor, row) : shared_map;
                      Piece piece = open.part(offset, count);
                      piece.unit_length = tiled.unit_length;
                      piece.scalars = scalars;
                      piece.map = &map;
                      piece.factors = factors(tile.tensor, unit);
                      apply[state.in_double](piece, state.streams[tile.tensor].loops);
                    });
    after(tile, open);
    open.close();
  });
}

// The extent that a rule sees beside its sums: rows are its units where it says how long they are.
Extent ReducedPass::extent_of_units(const StepState& state, std::int32_t index) const {
  Extent extent = state.plan.tensors()[index].param.extent;
  if (reduction_->unit_length != nullptr) extent.row_length = tiling_.tensors[index].unit_length;
  return extent;
}

// The sums of every unit of one tensor, and those of the tensor.
void ReducedPass::close(StepState& state, std::int32_t index) {
  const Reduction& reduction = *reduction_;
  const PlanTensor& tensor = state.plan.tensors()[index];
  const TiledTensor& tiled = tiling_.tensors[index];
  const Extent extent = extent_of_units(state, index);
  ScalarBytes room;
  const void* const scalars = state.scalars(index, true, room);
  double* const total = &tensors_[static_cast<std::size_t>(index) * reduction.sum_count];
  std::fill(total, total + reduction.sum_count, 0.0);
  for (std::int64_t unit = 0; unit < tiled.units; ++unit) {
    double* const sums = &units_[(tiled.first_unit + unit) * reduction.sum_count];
    std::fill(sums, sums + reduction.sum_count, 0.0);
    const double* partial = &partials_[(tiled.first_partial + unit * tiled.partials_per_unit) * reduction.sum_count];
    for (std::int64_t k = 0; k < tiled.partials_per_unit * reduction.sum_count; ++k)
      sums[k % reduction.sum_count] += partial[k];
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
}

// The factors of every unit of one tensor, from its sums and the total of the rule's scope.
void ReducedPass::finish(StepState& state, std::int32_t index, const double* total) {
  const Reduction& reduction = *reduction_;
  const TiledTensor& tiled = tiling_.tensors[index];
  const Extent extent = extent_of_units(state, index);
  ScalarBytes room;
  const void* const scalars = state.scalars(index, true, room);
  if (reduction.rows_alone) total = nullptr;  // so says the rule
  for (std::int64_t unit = 0; unit < tiled.units; ++unit) {
    const double* const sums = &units_[(tiled.first_unit + unit) * reduction.sum_count];
    reduction.finish[state.in_double](sums, total, scalars, extent, &factors_[(tiled.first_unit + unit) * max_factors]);
  }
}

void ReducedPass::finish_all(StepState& state) {
  double total[max_sums] = {};
  for (std::size_t i = 0; i < tensors_.size(); ++i) total[i % reduction_->sum_count] += tensors_[i];
  for (std::size_t i = 0; i < tiling_.tensors.size(); ++i) finish(state, static_cast<std::int32_t>(i), total);
}

}  // namespace optim::cpu
