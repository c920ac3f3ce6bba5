// Rademacher probes (helpers/rademacher.h).
#pragma once

#include "engine/cuda/list_table.h"
#include "engine/tensor_list.h"

namespace optim::cuda {

class Rademacher {
 public:
  void fill(const std::vector<TensorBuffer>& tensors, std::uint64_t seed, std::uint64_t offset, const Device& device);

 private:
  ListTable table_;
};

}  // namespace optim::cuda
