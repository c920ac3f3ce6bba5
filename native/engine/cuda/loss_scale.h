// Dynamic loss scaling on the device: the decision is queued, nobody waits for it.
#pragma once

#include "engine/cuda/device.h"
#include "helpers/loss_scale.h"

namespace optim::cuda {

void update_loss_scale(const Device& device, LossScale* state, const LossScaleSettings& settings);

}  // namespace optim::cuda
