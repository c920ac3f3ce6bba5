#include "engine/cuda/list_table.h"

#include <algorithm>

namespace optim::cuda {

void ListTable::make(const std::vector<std::int64_t>& counts, std::size_t streams, const Device& device) {
  Tiling tiling(tile_length);
  std::vector<std::int64_t> first;
  for (std::int64_t count : counts) {
    first.push_back(tiling.elements);
    tiling.add({1, count, 1, count}, false, true);
  }
  DeviceTiling device_tiling(tiling, device.stream);
  DeviceArray<std::int64_t> device_first = to_device(first, device.stream);
  auto staged = std::make_unique<StagedArray<Stream>>(static_cast<std::int64_t>(streams));
  std::vector<std::int64_t> kept = counts;

  tiling_ = std::move(device_tiling);
  first_ = std::move(device_first);
  streams_ = std::move(staged);
  counts_.swap(kept);
  bound_.clear();
}

bool ListTable::bind(const std::vector<std::int64_t>& counts, const std::vector<Stream>& streams,
                     const Device& device) {
  const bool resized = streams_ == nullptr || counts != counts_ || bound_.size() != streams.size();
  if (resized) make(counts, streams.size(), device);
  const auto same = [](const Stream& a, const Stream& b) { return a.data == b.data && a.dtype == b.dtype; };
  if (resized || !std::equal(streams.begin(), streams.end(), bound_.begin(), same)) {
    bound_.clear();  // until the upload is queued
    streams_->upload(streams, device.stream);
    bound_ = streams;
  }
  return resized;
}

}  // namespace optim::cuda
