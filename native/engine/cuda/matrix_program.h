// Runs the program of a matrix rule (core/program.h) for all tensors of a plan. Operations of all blocks of all tensors
// that do not depend on each other share a launch, so that the number of launches depends on the length of the program
// alone.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/matrix_schedule.h"
#include "engine/cuda/device_memory.h"
#include "engine/cuda/roots.h"

namespace optim::cuda {

// Where every tensor begins in the arrays of prepared gradients and directions, in elements: the tensors in order,
// whether present or not, each at the next multiple of a chunk; and the total.
std::vector<std::int64_t> workspace_begin(const Plan& plan);

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

  RootCounts root_counts(cudaStream_t stream) const;  // since the plan was made; waits

  // The tile of an item that one block computes.
  struct Share {
    std::int32_t item;
    std::int32_t part;

    bool operator==(const Share& other) const { return item == other.item && part == other.part; }
  };

 private:
  struct Wave {
    MatrixOperation::Kind kind;
    std::int64_t first_share, shares;  // none of roots
    int batch;                         // of roots
  };

  void divide(const Plan& plan, cudaStream_t stream);
  template <class T>
  void enqueue_as(cudaStream_t stream, const T* gradient, T* direction, const unsigned* due,
                  const std::int32_t* skip) const;

  bool in_double_;
  int multiprocessors_ = 0;
  MatrixSchedule schedule_;
  std::vector<Wave> waves_;
  std::vector<Share> shares_;
  std::unique_ptr<StagedArray<MatrixItem>> items_;
  DeviceArray<Share> device_shares_;
  DeviceArray<unsigned char> contracted_;  // directions, while a wave contracts them
  std::vector<RootBatch> roots_;           // by wave of roots
  DeviceArray<unsigned long long> counts_;
};

}  // namespace optim::cuda
