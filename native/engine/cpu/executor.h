// The steps of one plan on the CPU.
#pragma once

#include <memory>

#include "engine/cpu/matrix_program.h"
#include "engine/cpu/prelude.h"
#include "engine/cpu/reduced_pass.h"
#include "engine/cpu/step_state.h"
#include "engine/engine.h"

namespace optim::cpu {

class CpuExecutor : public Executor {
 public:
  CpuExecutor(const Plan& plan, int threads);

  void rebind() override;
  void hypers_changed(int group) override;
  void init_states() override;
  void step(const StepInputs& inputs) override;
  std::vector<StepCounts> counts() override;
  void set_counts(const std::vector<StepCounts>& counts) override { regroup(counts); }
  GlobalFacts global_facts() override { return state_.facts; }
  std::vector<Moments> row_moments() override { return state_.moments; }
  RootCounts root_counts() override { return matrix_ != nullptr ? matrix_->root_counts() : RootCounts{}; }
  QueuedWork queued_by_step() const override { return {}; }

 private:
  bool grouped() const;
  void regroup(const std::vector<StepCounts>& counts);
  void join_cohort(std::size_t tensor);
  void prepare(CohortStep& cohort, bool inputs_given);
  void fill_slot(const PlanTensor& tensor, const Slot& slot);
  void update();
  void update_directly(const PieceKernel& kernel, const Tile& tile, const TensorStreams& streams,
                       const Scratch& scratch);
  void update_matrix();
  void look_ahead(const Tile& tile, OpenTile& open);
  void add_workspace(const Tile& tile, std::int64_t offset, Piece& piece);
  void run_piece(const PieceKernel& kernel, const Tile& tile, OpenTile& open, bool from_direction);
  char* workspace(std::vector<char>& memory, const Tile& tile);

  const Plan& plan_;
  StepState state_;
  std::vector<std::int32_t> cohort_of_;  // each tensor
  Prelude prelude_;
  Tiling update_tiling_;  // tensors that the rule's update steps
  ReducedPass reduced_, measured_;
  std::unique_ptr<CpuMatrixProgram> matrix_;
  std::vector<char> prepared_, direction_;     // a matrix rule's gradients and directions
  std::vector<std::int64_t> workspace_begin_;  // of each tensor, in elements
  std::vector<unsigned> due_;                  // of each tensor, stages of its program
};

}  // namespace optim::cpu
