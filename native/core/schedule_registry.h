// Every schedule of this build, with the types erased.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/hyper_info.h"
#include "core/schedule.h"

namespace optim {

struct ScheduleInfo {
  const char* name;
  const char* title;
  const char* paper;
  const char* url;
  const char* summary;
  std::vector<HyperInfo> hypers;
  bool variadic;                               // the last of hypers is a list
  const char* (*check)(const double* hypers);  // may be null; returns null or what is wrong
  double (*value)(const double* hypers, HyperList list, double n);

  // The value at step n = 1, 2, ... for a row of values in the order of hypers; the rest of a shorter row takes its
  // defaults. Throws Error (invalid argument) naming what is out of range.
  double value_at(const double* values, std::int64_t count, std::int64_t n) const;
};

const std::vector<ScheduleInfo>& schedule_registry();  // sorted by name

// Throws Error (not found) naming the schedules there are.
const ScheduleInfo& find_schedule(const char* name);

}  // namespace optim
