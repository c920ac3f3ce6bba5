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

  // Blocks of a grid for so many pieces of work: whole waves, whether 1, 2 or 3 blocks of a kernel are resident on a
  // multiprocessor, since all of them take equally long. Results do not depend on it.
  unsigned blocks(std::int64_t pieces) const {
    constexpr int per_multiprocessor = 6;
    return static_cast<unsigned>(std::min<std::int64_t>(pieces, std::int64_t{multiprocessors} * per_multiprocessor));
  }
};

}  // namespace optim::cuda
