// The tiles of all tensors that a rule's passes go over, and the sums they take on the way.
#pragma once

#include <functional>

#include "core/plan.h"
#include "engine/cuda/device.h"
#include "engine/cuda/device_cascade.h"
#include "engine/cuda/device_tiling.h"
#include "engine/cuda/pass.cuh"
#include "engine/cuda/rule_table.h"

namespace optim::cuda {

class TilePass {
 public:
  // Of a tensor: its elements alone, also sums of its units, or runs of tiles that are stepped as soon as they are summed.
  enum class Part { none, whole, reduced, runs };

  // reduction: whose sums there is room for; null: of none. factors_size: bytes of the factors of a unit.
  TilePass(const Plan& plan, const Reduction* reduction, std::size_t factors_size, const Device& device,
           const std::function<Part(const PlanTensor&)>& part_of);

  // Whether some tensor does not consist of runs, so that a second pass has something to do.
  bool needs_second_pass() const { return second_pass_; }

  // Of a pass over these tiles.
  PassArguments arguments(const StepTables& tables) const;
  // shared: small tiles may share a block, one to a warp, in a pass that has no reduction.
  TileTurns turns(bool shared) const;
  LaunchOn over_tiles(const Device& device) const;

  void make_room_for_probe(const Device& device);
  double* probe() const { return probe_.data(); }

 private:
  void put_large_tiles_first(const Tiling& tiling, const Device& device);

  DeviceTiling tiling_;
  DeviceCascade cascade_;
  DeviceArray<double> values_, units_, probe_;
  DeviceArray<unsigned char> factors_;
  DeviceArray<std::int32_t> large_first_;  // tiles
  std::int64_t large_ = 0;
  std::int32_t most_rows_ = 0;  // of a tensor that one tile may have
  bool second_pass_ = false;
};

}  // namespace optim::cuda
