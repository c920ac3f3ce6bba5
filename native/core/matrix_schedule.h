// What the programs of all blocks of all tensors of a plan do, as lists for an engine.
#pragma once

#include <cstdint>
#include <vector>

#include "core/plan.h"
#include "linalg/fibres.h"

namespace optim {

// One operation on one block.
struct MatrixItem {
  linalg::Fibres fibres;
  std::int64_t begin;  // of the tensor, in elements of gradient and direction
  void* slot;          // n x n in the arithmetic of the step
  const void* source;
  double keep, add;
  double root, floor, ridge;
  std::int32_t tensor;
  std::int32_t stage;
  bool present;

  bool operator==(const MatrixItem& other) const;
};

// Operations of one kind that do not depend on each other; the longest first, so that no thread is left with a long one
// at the end.
struct MatrixWave {
  MatrixOperation::Kind kind;
  std::int32_t first_item, items;
  int largest;  // n
};

struct MatrixSchedule {
  std::vector<MatrixItem> items;
  std::vector<MatrixWave> waves;  // in the order in which they run

  int largest() const;  // n of any item
};

// begin: where each tensor of the plan begins in the arrays of prepared gradients and directions, in elements.
MatrixSchedule matrix_schedule(const Plan& plan, const std::vector<std::int64_t>& begin);

// Roots are taken several at a time, each with a workspace of its own: how many of the sizes n (descending) can be
// under way at once in `numbers` doubles, at most `most`, at least 1.
constexpr std::int64_t reasonable_root_numbers = std::int64_t{1} << 27;  // 1 GiB
int concurrent_roots(const std::vector<int>& sizes, std::int64_t numbers_of(int n), int most,
                     std::int64_t numbers = reasonable_root_numbers);

}  // namespace optim
