#include "engine/cuda/loss_scale.h"

#include "engine/cuda/check.h"
#include "engine/cuda/launch.h"

namespace optim::cuda {
namespace {

__global__ void move_scale(LossScale* state, LossScaleSettings settings) { optim::update_loss_scale(*state, settings); }

}  // namespace

void update_loss_scale(const Device& device, LossScale* state, const LossScaleSettings& settings) {
  check(launch(device.stream, &move_scale, dim3(1), dim3(1), 0, state, settings), "update_loss_scale");
}

}  // namespace optim::cuda
