// Runs the programs of a matrix rule (core/program.h) for all tensors of a plan: tiles of products and whole roots are
// shared out among the threads. Every number is computed by one thread in a fixed order, so that results do not depend
// on the number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "core/matrix_schedule.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/roots.h"

namespace optim::cpu {

class CpuMatrixProgram {
 public:
  CpuMatrixProgram(const Plan& plan, const MatrixKernels& kernels, int threads);

  // After a change of pointers, of which gradients are present, or of hyper-parameters. begin: where each tensor begins
  // in gradient and direction, in elements.
  void rebind(const std::vector<std::int64_t>& begin);

  // The program turns the directions into the final ones. due: by tensor, the stages to run, one bit each.
  template <class T>
  void run(const T* gradient, T* direction, const unsigned* due);

  const RootCounts& root_counts() const { return counts_; }  // since the plan was made

 private:
  // The part of an item that one thread works on.
  struct Share {
    std::int32_t item;
    std::int32_t part;
  };
  struct Wave {
    std::int64_t first_share, shares;  // none of roots
    bool worthwhile;                   // on several threads
  };

  void divide();

  template <class T>
  void add_gram(const Share& share, const T* gradient, double* room) const;
  template <class T>
  void contract(const Share& share, T* direction, double* room) const;
  template <class T>
  linalg::RootOutcome take_root(const MatrixItem& item, double* room) const;
  double* room(int thread) { return rooms_.data() + static_cast<std::size_t>(thread) * room_size_; }

  const Plan& plan_;
  const MatrixKernels& kernels_;
  int threads_;
  MatrixSchedule schedule_;
  std::vector<Wave> waves_;  // of the schedule
  std::vector<Share> shares_;
  RootRooms root_rooms_;
  std::vector<double> rooms_;  // for products, by thread
  std::size_t room_size_ = 0;
  RootCounts counts_;
};

}  // namespace optim::cpu
