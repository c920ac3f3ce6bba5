// Changes of what lives on the device, queued like any other work: the new values travel as kernel arguments.
#pragma once

#include "engine/cuda/device.h"
#include "engine/cuda/tables.h"

namespace optim::cuda {

void set_group(const Device& device, GroupSettings* group, const GroupSettings& settings);

// Makes so many cohorts of those that the tables have; each goes on from the counts of its origin, or has its own. cohorts: on the
// device; room: for as many counts.
void set_cohorts(const Device& device, const StepTables& tables, const Cohort* cohorts, std::int32_t count,
                 StepCounts* room);

}  // namespace optim::cuda
