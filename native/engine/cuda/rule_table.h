// The compiled kernels of one rule, as functions that start them.
#pragma once

#include <cuda_runtime.h>

#include "core/rule_info.h"

namespace optim::cuda {

struct BeginArguments;
struct PassArguments;

// A grid of so many blocks at most, on a stream.
struct LaunchOn {
  cudaStream_t stream;
  std::int64_t blocks;
};

using StartPass = void (*)(const LaunchOn&, const PassArguments&);

struct CudaReduction {
  ByPrecision<StartPass> gather, finish, apply;
  StartPass fold, close_units, close_tensors;
  StartPass close_all;  // null unless the scope is all tensors
  ByPrecision<std::size_t> factors_size;
};

struct CudaRule {
  void (*begin)(const LaunchOn&, const BeginArguments&);
  ByPrecision<StartPass> update;  // null without
  ByPrecision<StartPass> direct;  // of a matrix rule
  StartPass mark_due;             // of a matrix rule
  CudaReduction reduction, init;  // the first also of a matrix rule's measure, which gathers and has no apply
};

}  // namespace optim::cuda
