// Learning-rate schedules.
#include "abi/boundary.h"
#include "core/schedule_registry.h"

using namespace optim;
using namespace optim::abi;

optim_status optim_schedule_value(const char* name, const double* values, int64_t count, int64_t step, double* value) {
  return guarded([&] {
    const ScheduleInfo& schedule = find_schedule(&require(name, "name"));
    require_count(count, "count");
    if (count > 0) require(values, "values");
    require(value, "value");
    *value = schedule.value_at(values, count, step);
  });
}
