// How the elements of all tensors are cut into tiles: the unit of work of an engine. Tensors are first divided into units (rows, or
// whole tensors); a tile is either a piece of one unit or a run of whole units, so that the sums of a unit come from a known list
// of partial sums and merge in the same order whoever computed them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/config.h"
#include "core/extent.h"

namespace optim {

struct Tile {
  std::int64_t begin;    // first element within the tensor
  std::int64_t unit;     // first unit within the tensor
  std::int64_t partial;  // where the tile's partial sums go, one for each unit it touches
  std::int32_t tensor;
  std::int32_t count;  // elements
};

struct TiledTensor {
  std::int64_t first_unit;  // of the tensor, counted over all tensors
  std::int64_t units;       // 0: absent or empty
  std::int64_t unit_length;
  std::int64_t first_partial;
  std::int64_t partials_per_unit;
  std::int64_t first_tile;
  std::int32_t run_tiles;  // tiles of a run: of what is summed together, and both passes go over at once; 0: no runs
};

// Where the first run begins that begins at a tile or after it. Without runs every tile is one.
OPTIM_FN std::int64_t next_run(const Tile* tiles, const TiledTensor* tensors, std::int64_t tile) {
  const TiledTensor& tensor = tensors[tiles[tile].tensor];
  if (tensor.run_tiles <= 1) return tile;
  const std::int64_t begun = (tile - tensor.first_tile) % tensor.run_tiles;
  return begun == 0 ? tile : tile + tensor.run_tiles - begun;
}

struct Tiling {
  std::vector<Tile> tiles;
  std::vector<TiledTensor> tensors;
  std::int64_t units = 0;
  std::int64_t partials = 0;
  std::int64_t elements = 0;

  // tile_length must be a multiple of what an engine vectorizes by.
  explicit Tiling(std::int64_t tile_length = 1) : tile_length_(tile_length) {}

  // The next tensor, in order. by_row: units are rows; present: it takes part at all.
  void add(const Extent& tensor, bool by_row, bool present) {
    add_units(tensor.count, by_row ? tensor.row_length : tensor.count, present);
  }

  // Likewise, with units of a length that divides the number of elements.
  void add_units(std::int64_t count, std::int64_t unit_length, bool present) {
    TiledTensor t{units, 0, 0, partials, 0, static_cast<std::int64_t>(tiles.size()), 0};
    const auto index = static_cast<std::int32_t>(tensors.size());
    if (present && count > 0) {
      t.units = count / unit_length;
      t.unit_length = unit_length;
      t.partials_per_unit = (t.unit_length + tile_length_ - 1) / tile_length_;
      if (t.partials_per_unit > 1) {
        split_units(index, t);
      } else {
        group_units(index, t);
      }
      elements += count;
      units += t.units;
      partials += t.units * t.partials_per_unit;
    }
    tensors.push_back(t);
  }

  // The last tensor consists of runs: of its units where they stand alone, else of one.
  void make_runs(bool units_alone) {
    TiledTensor& t = tensors.back();
    const std::int64_t all = static_cast<std::int64_t>(tiles.size()) - t.first_tile;
    t.run_tiles = static_cast<std::int32_t>(units_alone ? t.partials_per_unit : all);
  }

 private:
  void split_units(std::int32_t tensor, const TiledTensor& t) {
    for (std::int64_t unit = 0; unit < t.units; ++unit) {
      for (std::int64_t piece = 0; piece < t.partials_per_unit; ++piece) {
        const std::int64_t offset = piece * tile_length_;
        const auto count = static_cast<std::int32_t>(std::min(tile_length_, t.unit_length - offset));
        tiles.push_back(
            {unit * t.unit_length + offset, unit, t.first_partial + unit * t.partials_per_unit + piece, tensor, count});
      }
    }
  }

  void group_units(std::int32_t tensor, const TiledTensor& t) {
    const std::int64_t group = std::max<std::int64_t>(1, tile_length_ / t.unit_length);
    for (std::int64_t unit = 0; unit < t.units; unit += group) {
      const std::int64_t count = std::min(group, t.units - unit);
      tiles.push_back({unit * t.unit_length, unit, t.first_partial + unit, tensor,
                       static_cast<std::int32_t>(count * t.unit_length)});
    }
  }

  std::int64_t tile_length_;
};

}  // namespace optim
