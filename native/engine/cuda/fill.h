// Initial values of state buffers.
#pragma once

#include <cstdint>
#include <vector>

#include "core/slot.h"
#include "engine/cuda/device.h"
#include "engine/cuda/device_tiling.h"

namespace optim::cuda {

struct FillJob {
  Stream target;
  std::int64_t count;
  Initial initial;
  Stream source;       // of Initial::param
  std::int64_t order;  // of Initial::identity and unit: rows of the matrix
  double diagonal;
};

// What one fill needs on the device; must stay alive until the stream has done it.
class Fill {
 public:
  Fill() = default;
  Fill(const std::vector<FillJob>& jobs, const Device& device);
  void run(const Device& device) const;

 private:
  DeviceArray<FillJob> jobs_;
  DeviceTiling tiling_;
};

}  // namespace optim::cuda
