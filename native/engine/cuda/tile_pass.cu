#include "engine/cuda/tile_pass.h"

#include <algorithm>
#include <numeric>

#include "engine/cuda/probe.cuh"

namespace optim::cuda {
namespace {

// The most rows that neighbouring elements, as many as a tile has, can be in.
std::int32_t rows_of_tile(const Extent& tensor) {
  const std::int64_t elements = std::min(tile_length, tensor.count);
  if (elements < 2) return 1;
  return static_cast<std::int32_t>(std::min(tensor.rows, (elements - 2) / tensor.row_length + 2));
}

}  // namespace

TilePass::TilePass(const Plan& plan, const Reduction* reduction, std::size_t factors_size, const Device& device,
                   const std::function<Part(const PlanTensor&)>& part_of) {
  Tiling tiling(tile_length);
  for (const PlanTensor& tensor : plan.tensors()) {
    const std::int64_t count = tensor.param.extent.count;
    const Part part = part_of(tensor);
    const bool sums = (part == Part::reduced || part == Part::runs) && count > 0;
    tiling.add_units(count, sums ? plan.unit_length(tensor, *reduction) : count, part != Part::none);
    if (sums && part == Part::runs) tiling.make_runs(reduction->rows_alone);
    second_pass_ = second_pass_ || (sums && part == Part::reduced);
    if (count > 0) most_rows_ = std::max(most_rows_, rows_of_tile(tensor.param.extent));
  }
  tiling_ = DeviceTiling(tiling, device.stream);
  cascade_ = DeviceCascade(tiling, device.stream);
  if (reduction == nullptr) {
    put_large_tiles_first(tiling, device);
    return;
  }
  values_ = DeviceArray<double>(cascade_.values() * reduction->sum_count);
  units_ = DeviceArray<double>(tiling.units * reduction->sum_count);
  factors_ = DeviceArray<unsigned char>(tiling.units * static_cast<std::int64_t>(factors_size));
  values_.clear(device.stream);  // tensors without elements count as zeros
}

void TilePass::put_large_tiles_first(const Tiling& tiling, const Device& device) {
  std::vector<std::int32_t> large_first(tiling.tiles.size());
  std::iota(large_first.begin(), large_first.end(), 0);
  const auto small = std::stable_partition(large_first.begin(), large_first.end(), [&](std::int32_t i) {
    return tiling.tiles[static_cast<std::size_t>(i)].count > warp_threads * chunk;
  });
  large_ = small - large_first.begin();
  large_first_ = to_device(large_first, device.stream);
}

void TilePass::make_room_for_probe(const Device& device) {
  if (probe_.count() > 0) return;
  DeviceArray<double> probe(cascade_.values() * static_cast<std::int64_t>(sizeof(ProbeSums) / sizeof(double)));
  probe.clear(device.stream);
  probe_ = std::move(probe);
}

PassArguments TilePass::arguments(const StepTables& tables) const {
  PassArguments a{};
  a.step = tables;
  a.tiling = tiling_.view();
  a.cascade = cascade_.view();
  a.reduced = {values_.data(), units_.data(), factors_.data()};
  a.turns = turns(false);
  a.rows_per_tile = tables.by_row ? most_rows_ : tables.mapped ? 1 + block_warps : 0;
  return a;
}

TileTurns TilePass::turns(bool shared) const {
  if (!shared) return {nullptr, tiling_.tiles(), tiling_.tiles()};
  const std::int64_t small = tiling_.tiles() - large_;
  return {large_first_.data(), large_, large_ + (small + block_warps - 1) / block_warps};
}

LaunchOn TilePass::over_tiles(const Device& device) const {
  return {device.stream, device.blocks(std::max<std::int64_t>(1, tiling_.tiles()))};
}

}  // namespace optim::cuda
