// The compiled kernels of one rule, as functions that start them.
#pragma once

#include <cuda_runtime.h>

#include "core/rule_info.h"

namespace optim::cuda {

struct CohortEntry;
struct GroupSettings;
struct PassArguments;

// A grid of so many blocks at most, on a stream.
struct LaunchOn {
  cudaStream_t stream;
  std::int64_t blocks;
};

using StartPass = void (*)(const LaunchOn&, const PassArguments&);

struct CudaReduction {
  ByPrecision<StartPass> gather, apply;
  ByPrecision<std::size_t> factors_size;
};

struct CudaRule {
  // The scalars of the next step of so many cohorts.
  ByPrecision<void (*)(cudaStream_t, CohortEntry*, const GroupSettings*, std::int32_t)> prepare;
  ByPrecision<StartPass> update;  // null for a reduced rule, whose gather does it too
  ByPrecision<StartPass> direct;  // of a matrix rule
  CudaReduction reduction, init;  // the first also of a matrix rule's measure, which gathers and has no apply
};

}  // namespace optim::cuda
