// The steps of one plan on a CUDA device. The constructor and changes of settings allocate; a step only queues kernels.
#pragma once

#include <memory>

#include "core/cohorts.h"
#include "engine/cuda/device.h"
#include "engine/cuda/fill.h"
#include "engine/cuda/matrix_program.h"
#include "engine/cuda/prelude.h"
#include "engine/cuda/rule_table.h"
#include "engine/cuda/tile_pass.h"
#include "engine/engine.h"

namespace optim::cuda {

class CudaExecutor : public Executor {
 public:
  CudaExecutor(const Plan& plan, const Device& device);  // the device belongs to the engine and outlives this

  void rebind() override;
  void hypers_changed(int group) override;
  void init_states() override;
  void step(const StepInputs& inputs) override;
  std::vector<StepCounts> counts() override;
  void set_counts(const std::vector<StepCounts>& counts) override;
  GlobalFacts global_facts() override;
  std::vector<Moments> row_moments() override;
  RootCounts root_counts() override;
  QueuedWork queued_by_step() const override { return last_step_; }

 private:
  // Of a matrix rule: its program, and what the passes hand it.
  struct Matrix {
    CudaMatrixProgram program;
    DeviceArray<unsigned char> prepared, direction;
    DeviceArray<std::uint32_t> due;

    Matrix(const Plan& plan, const Device& device, std::int64_t elements);
  };

  TilePass make_pass() const;
  void follow_units();
  GroupSettings settings_of(int group) const;
  TensorEntry entry_of(std::size_t tensor) const;
  StepTables tables(const StepInputs& inputs) const;
  std::size_t factors_size(const CudaReduction& reduction) const { return reduction.factors_size[precision_]; }
  bool grouped() const;
  void upload_tensors();
  void regroup(Cohorts cohorts);
  void configure();
  void prepare();  // the scalars of the next step, after a change of what they follow from
  void start(StartPass pass, PassArguments& arguments) const;
  void update_matrix(PassArguments& arguments);
  void initialize_by_rule();
  void fill(Fill& fill, bool before_rule);

  const Plan& plan_;
  const Device& device_;
  const CudaRule& kernels_;
  int precision_;
  std::vector<std::int64_t> workspace_;  // where each tensor begins in a matrix rule's arrays
  StagedArray<TensorEntry> tensors_;
  DeviceArray<GroupSettings> groups_;
  DeviceArray<CohortEntry> cohorts_;  // room for one a tensor: captured steps find it where it was
  StagedArray<Cohort> new_cohorts_;
  DeviceArray<StepCounts> counts_aside_;
  DeviceArray<StepState> state_;
  Cohorts grouping_;                        // without counts
  std::vector<std::int64_t> unit_lengths_;  // that the pass was made for
  TilePass pass_;
  std::vector<TilePass> former_passes_;  // whose memory captured steps still go over
  Prelude prelude_;
  std::unique_ptr<TilePass> init_;
  std::unique_ptr<Matrix> matrix_;
  Fill rule_fill_, helper_fill_;
  QueuedWork rebound_, last_step_;  // what was queued
};

}  // namespace optim::cuda
