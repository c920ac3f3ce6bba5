// The tensors of a function without a plan, in device memory. Kept between calls: one with the same sizes as the last
// allocates nothing, and one with the same buffers uploads nothing.
#pragma once

#include <memory>
#include <vector>

#include "engine/cuda/device.h"
#include "engine/cuda/device_tiling.h"

namespace optim::cuda {

class ListTable {
 public:
  // counts: elements of each tensor; streams: any number of buffers of such tensors. Returns whether sizes or numbers
  // changed since the last call.
  bool bind(const std::vector<std::int64_t>& counts, const std::vector<Stream>& streams, const Device& device);

  TilingView tiling() const { return tiling_.view(); }
  const Stream* streams() const { return streams_->device(); }
  const std::int64_t* first_elements() const { return first_.data(); }  // of each tensor, among all elements

 private:
  void make(const std::vector<std::int64_t>& counts, std::size_t streams, const Device& device);

  std::vector<std::int64_t> counts_;
  std::vector<Stream> bound_;
  DeviceTiling tiling_;
  DeviceArray<std::int64_t> first_;
  std::unique_ptr<StagedArray<Stream>> streams_;
};

}  // namespace optim::cuda
