// A tiling in device memory.
#pragma once

#include <vector>

#include "engine/cuda/device_memory.h"
#include "engine/cuda/tables.h"

namespace optim::cuda {

class DeviceTiling {
 public:
  DeviceTiling() = default;

  DeviceTiling(const Tiling& tiling, cudaStream_t stream)
      : tiles_(to_device(tiling.tiles, stream)), tensors_(to_device(tiling.tensors, stream)), units_(tiling.units) {
    for (const Tile& tile : tiling.tiles) grouped_ = grouped_ || tiling.tensors[tile.tensor].unit_length < tile.count;
  }

  std::int64_t tiles() const { return tiles_.count(); }
  std::int64_t units() const { return units_; }
  TilingView view() const {
    return {tiles_.data(), tensors_.data(), tiles_.count(), static_cast<std::int32_t>(tensors_.count()), grouped_};
  }

 private:
  DeviceArray<Tile> tiles_;
  DeviceArray<TiledTensor> tensors_;
  std::int64_t units_ = 0;
  bool grouped_ = false;
};

}  // namespace optim::cuda
