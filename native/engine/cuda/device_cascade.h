// The nodes over the tiles of a tiling, in device memory: which block merges what (engine/cuda/tables.h, Node).
#pragma once

#include <algorithm>
#include <vector>

#include "engine/cuda/device_memory.h"
#include "engine/cuda/tables.h"

namespace optim::cuda {

class DeviceCascade {
 public:
  DeviceCascade() = default;

  DeviceCascade(const Tiling& tiling, cudaStream_t stream) {
    const Builder builder(tiling);
    nodes_ = to_device(builder.nodes, stream);
    parents_ = to_device(builder.parents, stream);
    tickets_ = DeviceArray<unsigned int>(nodes_.count() + 1);
    tickets_.clear(stream);
    tensors_ = builder.tensors;
  }

  std::int64_t values() const { return parents_.count() + nodes_.count() + 1; }
  CascadeView view() const { return {nodes_.data(), parents_.data(), tickets_.data(), nodes_.count(), tensors_}; }

 private:
  struct Builder {
    std::vector<Node> nodes;
    std::vector<std::int32_t> parents;
    std::int32_t tensors = 0;

    explicit Builder(const Tiling& tiling) : parents(tiling.tiles.size()) {
      for (std::size_t i = 0; i < tiling.tensors.size(); ++i) add(1, static_cast<std::int32_t>(i));
      std::int64_t tile = 0;
      for (std::int32_t i = 0; i < static_cast<std::int32_t>(tiling.tensors.size()); ++i) {
        const TiledTensor& tensor = tiling.tensors[static_cast<std::size_t>(i)];
        if (tensor.units == 0) continue;
        ++tensors;
        if (tensor.partials_per_unit > 1) {
          const std::int32_t units = add(tensor.units, i);
          for (std::int64_t unit = 0; unit < tensor.units; ++unit, tile += tensor.partials_per_unit) {
            const std::int32_t node = units + static_cast<std::int32_t>(unit);
            nodes[static_cast<std::size_t>(node)].unit = unit;
            attach(tile, tensor.partials_per_unit, node);
          }
          attach(value_of(units), tensor.units, i);
        } else {
          const std::int64_t first = tile;
          while (tile < tile_count() && tiling.tiles[static_cast<std::size_t>(tile)].tensor == i) ++tile;
          attach(first, tile - first, i);
        }
      }
    }

    std::int64_t tile_count() const { return static_cast<std::int64_t>(parents.size()); }
    std::int64_t value_of(std::int32_t node) const { return tile_count() + node; }

    std::int32_t add(std::int64_t count, std::int32_t tensor) {
      const auto first = static_cast<std::int32_t>(nodes.size());
      nodes.resize(nodes.size() + static_cast<std::size_t>(count), Node{0, -1, 0, -1, tensor});
      return first;
    }

    // Values [first, first + count) come under a node, through others if there are too many to merge at once.
    void attach(std::int64_t first, std::int64_t count, std::int32_t parent) {
      if (count > run_length) {
        const std::int64_t runs = (count + run_length - 1) / run_length;
        const std::int32_t run = add(runs, nodes[static_cast<std::size_t>(parent)].tensor);
        for (std::int64_t i = 0; i < runs; ++i) {
          const std::int64_t begin = i * run_length;
          attach(first + begin, std::min(run_length, count - begin), run + static_cast<std::int32_t>(i));
        }
        first = value_of(run);
        count = runs;
      }
      for (std::int64_t i = first; i < first + count; ++i) {
        if (i < tile_count()) {
          parents[static_cast<std::size_t>(i)] = parent;
        } else {
          nodes[static_cast<std::size_t>(i - tile_count())].parent = parent;
        }
      }
      Node& node = nodes[static_cast<std::size_t>(parent)];
      node.first = first;
      node.children = static_cast<std::int32_t>(count);
    }
  };

  DeviceArray<Node> nodes_;
  DeviceArray<std::int32_t> parents_;
  DeviceArray<unsigned int> tickets_;
  std::int32_t tensors_ = 0;
};

}  // namespace optim::cuda
