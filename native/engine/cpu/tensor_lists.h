// Functions of the CPU engine on lists of tensors without a plan.
#pragma once

#include "engine/cpu/kernels.h"
#include "engine/tensor_list.h"

namespace optim::cpu {

void merge_gradients(const GradientSurgery& surgery, const Kernels& kernels, int threads);
void fill_rademacher(const std::vector<TensorBuffer>& tensors, std::uint64_t seed, std::uint64_t offset, int threads);

}  // namespace optim::cpu
