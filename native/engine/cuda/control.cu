#include "engine/cuda/control.h"

#include "engine/cuda/check.h"
#include "engine/cuda/launch.h"

namespace optim::cuda {
namespace {

__global__ void store_group(GroupEntry* group, GroupSettings settings) { group->settings = settings; }

__global__ void store_input_steps(GroupEntry* group, std::int64_t steps) { group->input_steps = steps; }

__global__ void __launch_bounds__(block_threads) store_step(StepTables tables, int group, std::int64_t step) {
  if (threadIdx.x == 0) tables.groups[group].step = step;
  for (int i = static_cast<int>(threadIdx.x); i < tables.tensor_count; i += block_threads) {
    if (tables.tensors[i].group == group) tables.first_step[i] = step > 0 ? stepped_before : never_stepped;
  }
}

}  // namespace

void set_group(const Device& device, GroupEntry* group, const GroupSettings& settings) {
  check(launch(device.stream, &store_group, dim3(1), dim3(1), 0, group, settings), "store_group");
}

void set_input_steps(const Device& device, GroupEntry* group, std::int64_t steps) {
  check(launch(device.stream, &store_input_steps, dim3(1), dim3(1), 0, group, steps), "store_input_steps");
}

void set_step(const Device& device, const StepTables& tables, int group, std::int64_t step) {
  check(launch(device.stream, &store_step, dim3(1), dim3(block_threads), 0, tables, group, step), "store_step");
}

}  // namespace optim::cuda
