#include "core/schedule_registry.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/hyper_values.h"
#include "optim_schedules.h"

namespace optim {
namespace {

constexpr int most_hypers = 16;  // of one schedule

template <class Schedule, class = void>
struct HasCheck : std::false_type {};
template <class Schedule>
struct HasCheck<Schedule, std::void_t<decltype(Schedule::check(Schedule::hypers))>> : std::true_type {};

template <class Schedule>
auto read(const double* values) {
  auto h = Schedule::hypers;
  std::copy_n(values, h.count, h.value);
  return h;
}

template <class Schedule>
ScheduleInfo describe(const char* name) {
  static_assert(Schedule::hypers.count <= most_hypers);
  ScheduleInfo info{};
  info.name = name;
  info.title = Schedule::title;
  info.paper = Schedule::paper;
  info.url = Schedule::url;
  info.summary = Schedule::summary;
  info.hypers = describe_hypers(Schedule::hypers);
  info.variadic = is_variadic<Schedule>;
  if constexpr (HasCheck<Schedule>::value) {
    info.check = [](const double* hypers) -> const char* { return Schedule::check(read<Schedule>(hypers)); };
  }
  info.value = [](const double* hypers, [[maybe_unused]] HyperList list, double n) {
    if constexpr (is_variadic<Schedule>) {
      return Schedule::value(read<Schedule>(hypers), list, n);
    } else {
      return Schedule::value(read<Schedule>(hypers), n);
    }
  };
  return info;
}

void check_value(const ScheduleInfo& schedule, const HyperInfo& hyper, double value) {
  if (hyper.range.contains(value)) return;
  const std::string what = message(schedule.name, ": ", hyper.name);
  const std::string allowed = message("; allowed is ", allowed_values(hyper.range));
  if (std::isnan(value) && std::isnan(hyper.default_value)) invalid(what, " must be given", allowed);
  invalid(what, " is ", value, allowed);
}

}  // namespace

double ScheduleInfo::value_at(const double* values, std::int64_t count, std::int64_t n) const {
  const auto own = static_cast<std::int64_t>(hypers.size());
  if (count > own && !variadic) invalid(name, " has ", own, " hyper-parameters, but count is ", count);
  constexpr std::int64_t last = std::int64_t{1} << 53;  // whole numbers up to here are doubles
  if (n < 1 || n > last) invalid("step is ", n, "; allowed are 1 to ", last);
  double row[most_hypers];
  for (std::int64_t i = 0; i < own; ++i) {
    const HyperInfo& hyper = hypers[static_cast<std::size_t>(i)];
    row[i] = i < count ? values[i] : hyper.default_value;
    check_value(*this, hyper, row[i]);
  }
  for (std::int64_t i = own; i < count; ++i) check_value(*this, hypers.back(), values[i]);
  if (const char* const wrong = check != nullptr ? check(row) : nullptr) {
    invalid(name, ": ", wrong, "; ", values_named_in(wrong, hypers, row));
  }
  const bool listed = variadic && count >= own;
  const double rate =
      value(row, {listed ? values + own - 1 : row + own - 1, listed ? count - own + 1 : 1}, static_cast<double>(n));
  if (!std::isfinite(rate)) invalid(name, " is ", rate, " at step ", n, "; a learning rate is finite");
  return rate;
}

const std::vector<ScheduleInfo>& schedule_registry() {
  static const std::vector<ScheduleInfo> all = {
#define OPTIM_SCHEDULE(NAME) describe<schedules::NAME>(#NAME),
      OPTIM_SCHEDULES
#undef OPTIM_SCHEDULE
  };
  return all;
}

const ScheduleInfo& find_schedule(const char* name) {
  const std::vector<ScheduleInfo>& all = schedule_registry();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const ScheduleInfo& s) { return std::strcmp(s.name, name) == 0; });
  if (found != all.end()) return *found;
  std::string names;
  for (const ScheduleInfo& schedule : all) names += names.empty() ? schedule.name : std::string(", ") + schedule.name;
  throw Error(Status::not_found, message("there is no schedule \"", name, "\"; there are ", names));
}

}  // namespace optim
