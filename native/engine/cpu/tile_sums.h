// The sums of a reduction over the tiles of some tensors, and what follows from them: the factors of every unit.
#pragma once

#include <algorithm>
#include <functional>

#include "core/tiling.h"
#include "engine/cpu/step_state.h"

namespace optim::cpu {

// What a tile's kernel runs with beside the tile: its function, the streams it touches.
struct TileKernel {
  const PieceKernel& function;
  Pass pass;
};

class TileSums {
 public:
  // takes_part(tensor) decides whose tiles they are; in_runs: whether these are divided into runs.
  void rebind(const StepState& state, const Reduction& reduction, bool in_runs,
              const std::function<bool(const PlanTensor&)>& takes_part);

  const Tiling& tiling() const { return tiling_; }
  // The tile after those of the run that begins at one.
  std::int64_t end_of_run(std::int64_t first) const {
    return first + tiling_.tensors[static_cast<std::size_t>(tile(first).tensor)].run_tiles;
  }
  const void* factors(std::int32_t tensor, std::int64_t unit) const {
    return &factors_[static_cast<std::size_t>(tiling_.tensors[static_cast<std::size_t>(tensor)].first_unit + unit) *
                     max_factors];
  }

  // The first pass over a tile; `before` may complete every piece.
  using BeforePiece = std::function<void(const Tile&, std::int64_t offset, Piece&)>;
  void gather(const StepState& state, const TileKernel& kernel, std::int64_t index, Scratch& scratch,
              const BeforePiece& before);

  // Tiles [first, end) have been gathered, which are a run: its units have their factors.
  void complete_run(const StepState& state, std::int64_t first, std::int64_t end);
  // All tiles have been gathered.
  void complete(const StepState& state);

  // The second pass over a tile; `after` is called while it is open.
  using AfterTile = std::function<void(const Tile&, OpenTile&)>;
  void apply(const StepState& state, const TileKernel& kernel, std::int64_t index, Scratch& scratch,
             const AfterTile& after);

 private:
  struct Units {
    std::int32_t tensor;
    std::int64_t first, end;
  };
  const Tile& tile(std::int64_t index) const { return tiling_.tiles[static_cast<std::size_t>(index)]; }
  Units all_of(std::int64_t tensor) const {
    return {static_cast<std::int32_t>(tensor), 0, tiling_.tensors[static_cast<std::size_t>(tensor)].units};
  }
  std::int64_t units_of(const Tile& tile) const {
    return std::max<std::int64_t>(1, tile.count / tiling_.tensors[static_cast<std::size_t>(tile.tensor)].unit_length);
  }
  double* total_of(std::int64_t tensor) { return &tensors_[static_cast<std::size_t>(tensor * reduction_->sum_count)]; }
  template <class Complete>
  void for_pieces(const StepState& state, const TileKernel& kernel, const Tile& tile, const OpenTile& open,
                  const Complete& complete);
  Extent extent_of_units(const StepState& state, std::int32_t index) const;
  void close(const StepState& state, const Units& units);
  void finish(const StepState& state, const Units& units, const double* total);

  const Reduction* reduction_ = nullptr;
  Tiling tiling_;
  std::vector<double> partials_;        // [partial][sum]
  std::vector<double> units_;           // [unit][sum]
  std::vector<double> tensors_;         // [tensor][sum]; 0 for those that take no part, or whose rows stand alone
  std::vector<unsigned char> factors_;  // [unit][max_factors]
};

}  // namespace optim::cpu
