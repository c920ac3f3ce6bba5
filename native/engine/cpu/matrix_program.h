// Runs the program of a matrix rule (core/program.h) for one tensor at a time.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/plan.h"

namespace optim::cpu {

class CpuMatrixProgram {
 public:
  // At most `threads` runs work at once; more wait for each other.
  CpuMatrixProgram(const Plan& plan, int threads);
  explicit CpuMatrixProgram(const Plan& plan);  // as many threads as there are processors
  ~CpuMatrixProgram();

  // Both arrays have the shape of the tensor, row by row; the program turns `direction` into the final one. due: the
  // stages to run, one bit each. May be called for different tensors at once; the result does not depend on the
  // threads. Allocates nothing.
  template <class T>
  void run(std::size_t tensor, const T* gradient, T* direction, unsigned due);

  // Inverse roots that were left as they were, because their matrix was not finite or the root would not have been.
  std::uint64_t skipped_roots() const;

 private:
  class Workspace;  // of one run

  std::unique_ptr<Workspace> take();
  void put_back(std::unique_ptr<Workspace> workspace, std::uint64_t skipped_roots);

  const Plan& plan_;
  mutable std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Workspace>> idle_;
  std::uint64_t skipped_roots_ = 0;
};

}  // namespace optim::cpu
