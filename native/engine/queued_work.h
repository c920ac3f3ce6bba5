// What a step asks of a device.
#pragma once

#include <cstdint>

namespace optim {

struct QueuedWork {
  std::uint64_t launches = 0;  // of kernels
  std::uint64_t uploads = 0;   // copies to the device
};

}  // namespace optim
