// What the functions take that work on lists of tensors without a plan. All addresses are checked.
#pragma once

#include <cstdint>
#include <vector>

#include "core/dtype.h"

namespace optim {

struct TensorBuffer {
  void* data;  // null: absent, or no elements
  DType dtype;
  std::int64_t count;
};

// One merge of the gradients of several tasks (helpers/pcgrad.h).
struct GradientSurgery {
  int tasks;
  bool mean;                         // divide where every task has a gradient
  bool in_double;                    // all tensors are F64; otherwise none is
  std::vector<std::int32_t> order;   // [task][tasks - 1]: the others, as the task is projected
  std::vector<TensorBuffer> grads;   // [task][tensor]
  std::vector<TensorBuffer> merged;  // [tensor]; may be one of its own gradients

  const TensorBuffer& grad(int task, std::size_t tensor) const {
    return grads[static_cast<std::size_t>(task) * merged.size() + tensor];
  }
  // What the sum of a tensor's gradients is divided by.
  double divisor(std::size_t tensor) const {
    for (int task = 0; task < tasks; ++task) {
      if (grad(task, tensor).data == nullptr) return 1;
    }
    return mean ? tasks : 1;
  }
};

}  // namespace optim
