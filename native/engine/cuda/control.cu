#include "engine/cuda/control.h"

#include "engine/cuda/check.h"
#include "engine/cuda/launch.h"

namespace optim::cuda {
namespace {

__global__ void store_group(GroupSettings* group, GroupSettings settings) { *group = settings; }

// One block. Counts are taken aside first, since the new cohorts lie where the old ones did.
__global__ void __launch_bounds__(block_threads)
    store_cohorts(CohortEntry* entries, StepState* state, const Cohort* cohorts, std::int32_t count, StepCounts* room) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += block_threads) {
    const Cohort& cohort = cohorts[i];
    room[i] = cohort.origin < 0 ? cohort.counts : entries[cohort.origin].counts;
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < count; i += block_threads) {
    static_cast<Cohort&>(entries[i]) = cohorts[i];
    entries[i].counts = room[i];
  }
  if (threadIdx.x == 0) state->cohort_count = count;
}

}  // namespace

void set_group(const Device& device, GroupSettings* group, const GroupSettings& settings) {
  check(launch(device.stream, &store_group, dim3(1), dim3(1), 0, group, settings), "store_group");
}

void set_cohorts(const Device& device, const StepTables& tables, const Cohort* cohorts, std::int32_t count,
                 StepCounts* room) {
  check(launch(device.stream, &store_cohorts, dim3(1), dim3(block_threads), 0, tables.cohorts, tables.state, cohorts,
               count, room),
        "store_cohorts");
}

}  // namespace optim::cuda
