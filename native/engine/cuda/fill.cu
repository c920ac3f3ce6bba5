#include "engine/cuda/fill.h"

#include "engine/cuda/elements.cuh"
#include "engine/cuda/launch.h"

namespace optim::cuda {
namespace {

__global__ void __launch_bounds__(block_threads) fill(const FillJob* jobs, TilingView tiling) {
  for (std::int64_t i = blockIdx.x; i < tiling.tile_count; i += gridDim.x) {
    const Tile tile = tiling.tiles[i];
    const FillJob& job = jobs[tile.tensor];
    for (int j = static_cast<int>(threadIdx.x); j < tile.count; j += block_threads) {
      const std::int64_t at = tile.begin + j;
      double value = 0;
      if (job.initial == Initial::param) value = load_number(job.source, at);
      if ((job.initial == Initial::identity || job.initial == Initial::unit) && at / job.order == at % job.order)
        value = job.diagonal;
      store_number(job.target, at, value);
    }
  }
}

}  // namespace

Fill::Fill(const std::vector<FillJob>& jobs, const Device& device) : jobs_(to_device(jobs, device.stream)) {
  Tiling tiling(tile_length);
  for (const FillJob& job : jobs) tiling.add({1, job.count, 1, job.count}, false, true);
  tiling_ = DeviceTiling(tiling, device.stream);
}

void Fill::run(const Device& device) const {
  if (tiling_.tiles() == 0) return;
  check(launch(device.stream, &fill, dim3(device.blocks(tiling_.tiles())), dim3(block_threads), 0, jobs_.data(),
               tiling_.view()),
        "fill");
}

}  // namespace optim::cuda
