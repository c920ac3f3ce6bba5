// Runs the program of a matrix rule (core/program.h) for all tensors of a plan. Operations of all tensors and
// dimensions that do not depend on each other share a launch, so that the number of launches depends on the length of
// the program alone.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/plan.h"
#include "engine/cuda/device_memory.h"
#include "engine/cuda/matrix_schedule.h"

namespace optim::cuda {

class CudaMatrixProgram {
 public:
  // Copies to the device are ordered before what is enqueued on the same stream later.
  CudaMatrixProgram(const Plan& plan, cudaStream_t stream);

  // After a change of pointers, of which gradients are present, or of hyper-parameters. Allocates only if the program
  // itself has changed.
  void rebind(const Plan& plan, cudaStream_t stream);

  // gradient and direction: in the arithmetic of the plan, tensor i row by row from element workspace_begin(plan)[i]
  // on; the program turns the directions into the final ones. due: by tensor, the stages to run, one bit each. skip:
  // not 0 for a step that changes nothing. All in device memory; nothing waits.
  void enqueue(cudaStream_t stream, const void* gradient, void* direction, const unsigned* due,
               const std::int32_t* skip) const;

  // Inverse roots that were left as they were, because their matrix was not finite or the root would not have been.
  // Waits.
  std::uint64_t skipped_roots(cudaStream_t stream) const;

 private:
  template <class T>
  void enqueue_as(cudaStream_t stream, const T* gradient, T* direction, const unsigned* due,
                  const std::int32_t* skip) const;

  bool in_double_;
  int root_blocks_;  // at most at once, each with a workspace of its own
  MatrixSchedule schedule_;
  std::unique_ptr<StagedArray<MatrixItem>> items_;
  DeviceArray<BlockShare> shares_;
  DeviceArray<double> workspace_;
  DeviceArray<unsigned long long> skipped_roots_;
};

}  // namespace optim::cuda
