#include "engine/cpu/reduced_pass.h"

namespace optim::cpu {

void ReducedPass::rebind(const StepState& state, const Reduction& reduction,
                         const std::function<bool(const PlanTensor&)>& takes_part) {
  reduction_ = &reduction;
  const bool applies = reduction.apply_pass != nullptr;
  const auto is_near = [&](const PlanTensor& t) { return applies && state.plan.stays_on_chip(t, reduction); };
  at_once_.rebind(state, reduction, true, [&](const PlanTensor& t) { return takes_part(t) && is_near(t); });
  apart_.rebind(state, reduction, false, [&](const PlanTensor& t) { return takes_part(t) && !is_near(t); });
}

void ReducedPass::run(StepState& state, const ByPrecision<PieceKernel>& gather, const ByPrecision<PieceKernel>& apply,
                      const AfterTile& after) {
  Pass gather_pass{}, apply_pass{};
  for (const HyperRow& group : state.plan.hypers()) {
    gather_pass |= reduction_->gather_pass(group.data());
    apply_pass |= reduction_->apply_pass(group.data());
  }
  apply_pass.reads_state |= state.pulls_back;
  apply_pass.writes_state |= state.pulls_back;
  const TileKernel gathers{gather[state.in_double], gather_pass}, applies{apply[state.in_double], apply_pass};

  // What was gathered last is nearest. (Apart, the opposite order is no faster: the processor's prefetching wants the usual one.)
  state.for_ranges(at_once_.tiling(), [&](std::int64_t first, std::int64_t end, Scratch& scratch) {
    for (std::int64_t run_end; first < end; first = run_end) {
      run_end = at_once_.end_of_run(first);
      for (std::int64_t i = first; i < run_end; ++i) at_once_.gather(state, gathers, i, scratch, nullptr);
      at_once_.complete_run(state, first, run_end);
      for (std::int64_t i = run_end; i-- > first;) at_once_.apply(state, applies, i, scratch, after);
    }
  });
  if (apart_.tiling().tiles.empty()) return;
  sum(state, gather, gather_pass, nullptr);
  state.for_ranges(apart_.tiling(), [&](std::int64_t first, std::int64_t end, Scratch& scratch) {
    for (std::int64_t i = first; i < end; ++i) apart_.apply(state, applies, i, scratch, after);
  });
}

void ReducedPass::sum(StepState& state, const ByPrecision<PieceKernel>& gather, const Pass& gather_pass,
                      const BeforePiece& before) {
  const TileKernel gathers{gather[state.in_double], gather_pass};
  state.for_ranges(apart_.tiling(), [&](std::int64_t first, std::int64_t end, Scratch& scratch) {
    for (std::int64_t i = first; i < end; ++i) apart_.gather(state, gathers, i, scratch, before);
  });
  apart_.complete(state);
}

}  // namespace optim::cpu
