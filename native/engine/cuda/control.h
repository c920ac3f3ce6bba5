// Changes of what lives on the device, queued like any other work: the new values travel as kernel arguments.
#pragma once

#include "engine/cuda/device.h"
#include "engine/cuda/tables.h"

namespace optim::cuda {

void set_group(const Device& device, GroupEntry* group, const GroupSettings& settings);

// The step counter of a group, and that its tensors have been stepped before, or not.
void set_step(const Device& device, const StepTables& tables, int group, std::int64_t step);

// How often the inputs of a group's rule have been given.
void set_input_steps(const Device& device, GroupEntry* group, std::int64_t steps);

}  // namespace optim::cuda
