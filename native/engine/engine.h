// What an engine must offer. Engines know plans, rules by index and functions of helpers/; they never name a rule.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/cohorts.h"
#include "core/moments.h"
#include "core/plan.h"
#include "core/roots.h"
#include "engine/queued_work.h"
#include "engine/tensor_list.h"
#include "helpers/loss_scale.h"
#include "helpers/pipeline.h"

namespace optim {

struct StepInputs {
  const float* grad_scale = nullptr;  // on the device; null: 1
  const float* found_inf = nullptr;   // on the device; null: 0
  float* overflow = nullptr;          // on the device; set to 1 when a gradient element is not finite
  bool skip_nonfinite = false;        // such an element skips the step, as the helper of that name has it
};

// Carries out the steps of one plan. Created when the plan is; rebind is called whenever a pointer changed.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void rebind() = 0;
  virtual void hypers_changed(int group) = 0;  // after it throws, rebind is called before the next step
  virtual void init_states() = 0;
  virtual void step(const StepInputs& inputs) = 0;
  // By tensor; all 0 after init_states. The first waits for the device.
  virtual std::vector<StepCounts> counts() = 0;
  virtual void set_counts(const std::vector<StepCounts>& counts) = 0;
  // Of the last step; both wait for the device.
  virtual GlobalFacts global_facts() = 0;
  virtual std::vector<Moments> row_moments() = 0;
  // Of all steps of a matrix rule; waits for the device.
  virtual RootCounts root_counts() = 0;
  // Of the last step, and of taking over what was bound before it.
  virtual QueuedWork queued_by_step() const = 0;
};

class Engine {
 public:
  // What of its streams a worker (a thread, a block) finds on the chip when it goes over them again at once. Results do
  // not depend on it; that of an engine stays as it is while there are plans.
  std::int64_t chip_bytes;

  explicit Engine(std::int64_t bytes_on_chip) : chip_bytes(bytes_on_chip) {}
  virtual ~Engine() = default;
  virtual const std::string& description() const = 0;
  virtual void set_stream(void* stream) = 0;
  virtual void synchronize() = 0;
  virtual void* allocate(std::uint64_t bytes) = 0;  // 256-byte aligned, zero-filled
  virtual void release(void* buffer) = 0;
  virtual void copy(void* destination, const void* source, std::uint64_t bytes) = 0;
  virtual bool owns_address(const void* data) const = 0;  // false: the pointer is known to be on another device
  virtual void update_loss_scale(LossScale* state, const LossScaleSettings& settings) = 0;  // state: on the device
  virtual std::unique_ptr<Executor> make_executor(const Plan& plan) = 0;
  virtual void merge_gradients(const GradientSurgery& surgery) = 0;
  virtual void fill_rademacher(const std::vector<TensorBuffer>& tensors, std::uint64_t seed, std::uint64_t offset) = 0;
  // The largest matrices come first. Matrices, roots, errors and counts are on the device; counts, two in the order of
  // RootCounts, are added to and may be null. Queued, as a step is.
  virtual void inverse_roots(const std::vector<RootJob>& jobs, const linalg::InverseRoot& options,
                             std::uint64_t* counts) = 0;
  virtual void coupled_newton(const std::vector<RootJob>& jobs, const linalg::CoupledNewton& options,
                              std::uint64_t* counts) = 0;

  // Throws unless data, which messages call `what`, is aligned for elements of that size and on this device.
  void check_address(const Name& what, const void* data, std::size_t element_size) const;
};

std::unique_ptr<Engine> make_cpu_engine(int threads);
std::unique_ptr<Engine> make_cuda_engine(int device, void* stream);  // throws unsupported where the build has no CUDA
int cuda_device_count();

}  // namespace optim
