// Gradient surgery (helpers/pcgrad.h): the Gram matrix of the tasks' gradients, the weights that follow from it, and
// the merged gradient, in four launches that nobody waits for.
#pragma once

#include "engine/cuda/list_table.h"
#include "engine/tensor_list.h"

namespace optim::cuda {

class Surgery {
 public:
  void merge(const GradientSurgery& surgery, const Device& device);

 private:
  void bind(const GradientSurgery& surgery, const Device& device);

  ListTable table_;
  std::vector<std::int32_t> order_;
  std::unique_ptr<StagedArray<std::int32_t>> device_order_;
  DeviceArray<double> partials_;  // of the Gram matrix, by run of tiles
  DeviceArray<double> gram_, weights_;
};

}  // namespace optim::cuda
