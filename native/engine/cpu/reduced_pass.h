// The two passes of a reduced rule, or of an initialization: gather sums, close and finish them, apply. What is summed together and
// stays on the chip meanwhile goes through both at once, on one thread; the rest takes one pass after the other. A matrix rule that
// measures makes the first of them.
#pragma once

#include "engine/cpu/tile_sums.h"

namespace optim::cpu {

class ReducedPass {
 public:
  using AfterTile = TileSums::AfterTile;
  using BeforePiece = TileSums::BeforePiece;

  // takes_part(tensor) decides which tensors are reduced.
  void rebind(const StepState& state, const Reduction& reduction,
              const std::function<bool(const PlanTensor&)>& takes_part);

  // `after` is called with every tile that was applied, while it is open.
  void run(StepState& state, const ByPrecision<PieceKernel>& gather, const ByPrecision<PieceKernel>& apply,
           const AfterTile& after);

  // The first pass alone, of a reduction that has no other; `before` may complete every piece. The factors are those of a row (of
  // a tensor: row 0).
  void sum(StepState& state, const ByPrecision<PieceKernel>& gather, const Pass& gather_pass,
           const BeforePiece& before);
  const void* factors(std::int32_t tensor, std::int64_t row) const { return apart_.factors(tensor, row); }

 private:
  const Reduction* reduction_ = nullptr;
  TileSums at_once_, apart_;  // the tensors that are runs of tiles, and those whose passes are apart
};

}  // namespace optim::cpu
