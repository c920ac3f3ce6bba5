#include "engine/cpu/tile_sums.h"

namespace optim::cpu {

void TileSums::rebind(const StepState& state, const Reduction& reduction, bool in_runs,
                      const std::function<bool(const PlanTensor&)>& takes_part) {
  reduction_ = &reduction;
  tiling_ = Tiling(state.tile_length);
  for (const PlanTensor& tensor : state.plan.tensors()) {
    const bool part = takes_part(tensor);
    tiling_.add_units(tensor.param.extent.count, part ? state.plan.unit_length(tensor, reduction) : 1, part);
    if (in_runs) tiling_.make_runs(reduction.rows_alone);
  }
  const auto sums = static_cast<std::size_t>(reduction.sum_count);
  partials_.assign(static_cast<std::size_t>(tiling_.partials) * sums, 0);
  units_.assign(static_cast<std::size_t>(tiling_.units) * sums, 0);
  tensors_.assign(tiling_.tensors.size() * sums, 0);
  factors_.assign(static_cast<std::size_t>(tiling_.units) * max_factors, 0);
}

// Runs the kernel over the parts of a tile; complete(piece, offset, unit) gives each what one of the passes needs.
template <class Complete>
void TileSums::for_pieces(const StepState& state, const TileKernel& kernel, const Tile& tile, const OpenTile& open,
                          const Complete& complete) {
  ScalarBytes room;
  const void* const scalars = state.scalars(tile.tensor, state.in_double, room);
  const MapStorage shared_map = state.map(tile.tensor, 0);
  const std::int64_t unit_length = tiling_.tensors[tile.tensor].unit_length;
  state.for_parts(tile, unit_length, [&](std::int64_t offset, std::int64_t count, std::int64_t row, std::int64_t unit) {
    const MapStorage map = state.by_row ? state.map(tile.tensor, row) : shared_map;
    Piece piece = open.part(offset, count);
    piece.unit_length = unit_length;
    piece.scalars = scalars;
    piece.map = &map;
    complete(piece, offset, unit);
    kernel.function(piece, state.loops(tile.tensor));
  });
}

void TileSums::gather(const StepState& state, const TileKernel& kernel, std::int64_t index, Scratch& scratch,
                      const BeforePiece& before) {
  const Tile& tile = this->tile(index);
  double* const sums = &partials_[tile.partial * reduction_->sum_count];
  std::fill(sums, sums + units_of(tile) * reduction_->sum_count, 0.0);
  OpenTile open(state, tile, kernel.pass, scratch);
  for_pieces(state, kernel, tile, open, [&](Piece& piece, std::int64_t offset, std::int64_t unit) {
    piece.sums = sums + (unit - tile.unit) * reduction_->sum_count;
    if (before) before(tile, offset, piece);
  });
  open.close();
}

void TileSums::apply(const StepState& state, const TileKernel& kernel, std::int64_t index, Scratch& scratch,
                     const AfterTile& after) {
  const Tile& tile = this->tile(index);
  OpenTile open(state, tile, kernel.pass, scratch);
  for_pieces(state, kernel, tile, open,
             [&](Piece& piece, std::int64_t, std::int64_t unit) { piece.factors = factors(tile.tensor, unit); });
  after(tile, open);
  open.close();
}

void TileSums::complete_run(const StepState& state, std::int64_t first, std::int64_t end) {
  const Tile& begins = tile(first);
  const Tile& ends = tile(end - 1);
  const Units units{begins.tensor, begins.unit, ends.unit + units_of(ends)};
  close(state, units);
  finish(state, units, total_of(begins.tensor));
}

void TileSums::complete(const StepState& state) {
  const bool all = reduction_->scope == Scope::all;
  state.for_items(static_cast<std::int64_t>(tiling_.tensors.size()), tiling_.units > 1024, [&](std::int64_t i) {
    const Units units = all_of(i);
    if (units.end == 0) return;
    close(state, units);
    if (!all) finish(state, units, total_of(i));
  });
  if (!all) return;
  double total[max_sums] = {};
  for (std::size_t i = 0; i < tensors_.size(); ++i) total[i % reduction_->sum_count] += tensors_[i];
  for (std::size_t i = 0; i < tiling_.tensors.size(); ++i) finish(state, all_of(static_cast<std::int64_t>(i)), total);
}

// The extent that a rule sees beside its sums: rows are its units where it says how long they are.
Extent TileSums::extent_of_units(const StepState& state, std::int32_t index) const {
  Extent extent = state.plan.tensors()[index].param.extent;
  if (reduction_->unit_length != nullptr) extent.row_length = tiling_.tensors[index].unit_length;
  return extent;
}

// The sums of some units of a tensor, and those of the tensor unless its rows stand alone: then the units are all of it.
void TileSums::close(const StepState& state, const Units& units) {
  const Reduction& reduction = *reduction_;
  const PlanTensor& tensor = state.plan.tensors()[units.tensor];
  const TiledTensor& tiled = tiling_.tensors[units.tensor];
  const Extent extent = extent_of_units(state, units.tensor);
  ScalarBytes room;
  const void* const scalars = state.scalars(units.tensor, true, room);
  double total[max_sums] = {};
  for (std::int64_t unit = units.first; unit < units.end; ++unit) {
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
  if (reduction.rows_alone) return;
  if (reduction.close_tensor != nullptr) {
    double slots[max_slots] = {};
    load_unit_slots(tensor, state.rule(), 0, slots);
    reduction.close_tensor(total, slots, scalars, extent);
    store_unit_slots(tensor, state.rule(), 0, slots);
  }
  std::copy(total, total + reduction.sum_count, total_of(units.tensor));
}

// The factors of some units of a tensor, from their sums and the total of the rule's scope.
void TileSums::finish(const StepState& state, const Units& units, const double* total) {
  const Reduction& reduction = *reduction_;
  const TiledTensor& tiled = tiling_.tensors[units.tensor];
  const Extent extent = extent_of_units(state, units.tensor);
  ScalarBytes room;
  const void* const scalars = state.scalars(units.tensor, true, room);
  if (reduction.rows_alone) total = nullptr;  // so says the rule
  for (std::int64_t unit = units.first; unit < units.end; ++unit) {
    const double* const sums = &units_[(tiled.first_unit + unit) * reduction.sum_count];
    reduction.finish[state.in_double](sums, total, scalars, extent, &factors_[(tiled.first_unit + unit) * max_factors]);
  }
}

}  // namespace optim::cpu
