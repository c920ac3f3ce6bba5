// The two passes of a reduced rule, or of an initialization: gather sums, close and finish them, apply. A matrix rule that
// measures makes the first of them.
#pragma once

#include <functional>

#include "core/tiling.h"
#include "engine/cpu/step_state.h"

namespace optim::cpu {

class ReducedPass {
 public:
  // takes_part(tensor) decides which tensors are reduced.
  void rebind(const StepState& state, const Reduction& reduction,
              const std::function<bool(const PlanTensor&)>& takes_part);

  // `after` is called with every tile that was applied, while it is open.
  using AfterTile = std::function<void(const Tile&, OpenTile&)>;
  void run(StepState& state, const ByPrecision<PieceKernel>& gather, const ByPrecision<PieceKernel>& apply,
           const AfterTile& after);

  // The first pass alone; `before` may complete every piece. The factors are those of a row (of a tensor: row 0).
  using BeforePiece = std::function<void(const Tile&, std::int64_t offset, Piece&)>;
  void sum(StepState& state, const ByPrecision<PieceKernel>& gather, const Pass& gather_pass,
           const BeforePiece& before);
  const void* factors(std::int32_t tensor, std::int64_t row) const {
    return &factors_[static_cast<std::size_t>(tiling_.tensors[static_cast<std::size_t>(tensor)].first_unit + row) *
                     max_factors];
  }

 private:
  void apply(StepState& state, const ByPrecision<PieceKernel>& apply, const AfterTile& after);
  Extent extent_of_units(const StepState& state, std::int32_t index) const;
  void close(StepState& state, std::int32_t tensor);
  void finish(StepState& state, std::int32_t tensor, const double* total);
  void finish_all(StepState& state);

  const Reduction* reduction_ = nullptr;
  Tiling tiling_;
  std::vector<double> partials_;        // [partial][sum]
  std::vector<double> units_;           // [unit][sum]
  std::vector<double> tensors_;         // [tensor][sum]; 0 for those that take no part
  std::vector<unsigned char> factors_;  // [unit][max_factors]
};

}  // namespace optim::cpu
