// The device and stream of an engine, as its executors see them.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

namespace optim::cuda {

struct Device {
  int index;
  int multiprocessors;
  cudaStream_t stream;

  // Blocks of a persistent grid for so many pieces of work. Results do not depend on it.
  unsigned blocks(std::int64_t pieces) const {
    constexpr int per_multiprocessor = 8;  // 2048 threads
    return static_cast<unsigned>(std::min<std::int64_t>(pieces, std::int64_t{multiprocessors} * per_multiprocessor));
  }
};

}  // namespace optim::cuda
