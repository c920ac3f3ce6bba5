// A tiling in device memory, with the spans of units that finish what its tiles summed.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/cuda/device_memory.h"
#include "engine/cuda/tables.h"

namespace optim::cuda {

class DeviceTiling {
 public:
  DeviceTiling() = default;

  DeviceTiling(const Tiling& tiling, cudaStream_t stream) : units_(tiling.units), partials_(tiling.partials) {
    std::vector<Span> spans;
    std::vector<std::int64_t> first_span;
    for (std::size_t i = 0; i < tiling.tensors.size(); ++i) {
      const TiledTensor& tensor = tiling.tensors[i];
      first_span.push_back(static_cast<std::int64_t>(spans.size()));
      for (std::int64_t unit = 0; unit < tensor.units; unit += span_units) {
        const auto count = static_cast<std::int32_t>(std::min<std::int64_t>(span_units, tensor.units - unit));
        spans.push_back({unit, static_cast<std::int32_t>(i), count});
      }
      split_ = split_ || tensor.partials_per_unit > 1;
    }
    first_span.push_back(static_cast<std::int64_t>(spans.size()));
    for (const Tile& tile : tiling.tiles) grouped_ = grouped_ || tiling.tensors[tile.tensor].unit_length < tile.count;
    tiles_ = to_device(tiling.tiles, stream);
    tensors_ = to_device(tiling.tensors, stream);
    spans_ = to_device(spans, stream);
    first_span_ = to_device(first_span, stream);
  }

  std::int64_t tiles() const { return tiles_.count(); }
  std::int64_t spans() const { return spans_.count(); }
  std::int64_t tensors() const { return tensors_.count(); }
  std::int64_t units() const { return units_; }
  std::int64_t partials() const { return partials_; }

  TilingView view() const {
    return {tiles_.data(),
            tensors_.data(),
            spans_.data(),
            first_span_.data(),
            tiles_.count(),
            spans_.count(),
            static_cast<std::int32_t>(tensors_.count()),
            split_,
            grouped_};
  }

 private:
  DeviceArray<Tile> tiles_;
  DeviceArray<TiledTensor> tensors_;
  DeviceArray<Span> spans_;
  DeviceArray<std::int64_t> first_span_;
  std::int64_t units_ = 0, partials_ = 0;
  bool split_ = false, grouped_ = false;
};

}  // namespace optim::cuda
