// Matrix roots on a device: one block takes one root after another. Small matrices and those in double are decomposed;
// for larger ones in float a Newton iteration is tried first (engine/cuda/newton_root.cuh).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/roots.h"
#include "engine/cuda/device_memory.h"

namespace optim::cuda {

struct RootItem {
  const void* source;  // n x n
  void* result;
  double* error;      // of the Newton iteration; null: nobody asks
  std::int64_t room;  // of the block that takes this root first, in the workspace
  linalg::InverseRoot options;
  std::int32_t n;
  std::int32_t tensor;  // whose stages decide
  std::int32_t stage;   // -1: always
  bool present, in_double;

  bool operator==(const RootItem& other) const;
};

// Items and workspace of batches; grows with the largest so far.
class RootBatch {
 public:
  explicit RootBatch(bool newton = false) : newton_(newton) {}

  // The largest matrices first; rooms are assigned here. Allocates only to grow, and uploads only what has changed.
  void set(std::vector<RootItem> items, int multiprocessors, cudaStream_t stream);

  // due: by tensor, the stages to run, one bit each; skip: not 0 for a step that changes nothing. Both may be null.
  void enqueue(cudaStream_t stream, const unsigned* due, const std::int32_t* skip, unsigned long long* counts) const;
  void enqueue_newton(cudaStream_t stream, const linalg::CoupledNewton& options, unsigned long long* counts) const;

 private:
  // Items that one launch takes.
  struct Share {
    int first = 0, count = 0, blocks = 0;
  };
  Share share(std::vector<RootItem>& items, int first, int count, bool iterated, int multiprocessors);
  const RootItem* begin(const Share& share) const { return device_items_->device() + share.first; }

  bool newton_;
  Share iterated_, decomposed_;  // or all in `decomposed_`, by the published Newton iteration
  std::vector<RootItem> items_;
  std::int64_t capacity_ = 0;
  std::unique_ptr<StagedArray<RootItem>> device_items_;
  DeviceArray<double> workspace_;
};

}  // namespace optim::cuda
