// Batches of matrix roots, as engines take them.
#pragma once

#include <cstdint>

#include "linalg/coupled_newton.h"

namespace optim {

struct RootJob {
  int n;
  bool in_double;
  const void* matrix;  // n x n
  void* root;
  double* error = nullptr;  // of the Newton iteration; null: nobody asks
};

// In the order in which they cross the ABI (OPTIM_ROOT_...).
struct RootCounts {
  std::uint64_t skipped = 0;
  std::uint64_t indefinite = 0;

  void add(linalg::RootOutcome outcome) {
    skipped += outcome == linalg::RootOutcome::skipped ? 1 : 0;
    indefinite += outcome == linalg::RootOutcome::indefinite ? 1 : 0;
  }
  void add(const RootCounts& other) {
    skipped += other.skipped;
    indefinite += other.indefinite;
  }
};

}  // namespace optim
