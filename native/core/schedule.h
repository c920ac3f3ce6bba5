// The vocabulary of a learning-rate schedule: everything a header under schedules/ may use. A schedule is a struct
// named as its file, with
//
//   title, paper, url, summary   static constexpr const char*
//   hypers                       static constexpr auto = hypers(lr = no_default, ...)
//   value(h, n)                  -> the learning rate of step n = 1, 2, ..., a pure function in double; s = n - 1 steps
//   are done
//
// Options: check(h) -> nullptr or what is wrong between several hyper-parameters; value(h, list, n) instead of value(h,
// n) when the last hyper-parameter is a list, which a row of values then ends with.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "core/config.h"
#include "core/hyper.h"

namespace optim {

OPTIM_HYPER(max_lr, range::at_least(0), "Highest learning rate.");
OPTIM_HYPER(min_lr, range::at_least(0), "Lowest learning rate, reached at the end.");
OPTIM_HYPER(init_lr, range::at_least(0), "Learning rate of the first step of a warm-up.");
OPTIM_HYPER(total_steps, range::integer(1), "Number of steps of the whole schedule.");
OPTIM_HYPER(t_max, range::integer(1), "Number of steps until the end of the decay.");
OPTIM_HYPER(warmup_steps, range::integer(0), "Number of steps of the warm-up.");
OPTIM_HYPER(gamma, range::at_least(0), "Factor of every decay.");

// Values of a hyper-parameter that is a list.
struct HyperList {
  const double* values;
  std::int64_t count;
};

namespace detail {
template <class Schedule, class = void>
struct IsVariadic : std::false_type {};
template <class Schedule>
struct IsVariadic<Schedule, std::void_t<decltype(Schedule::value(Schedule::hypers, std::declval<HyperList>(), 1.0))>>
    : std::true_type {};
}  // namespace detail

template <class Schedule>
constexpr bool is_variadic = detail::IsVariadic<Schedule>::value;

namespace schedule {

OPTIM_FN double smaller(double a, double b) { return b < a ? b : a; }
OPTIM_FN double larger(double a, double b) { return a < b ? b : a; }

// On the line from `from` at z = 0 to `to` at z = 1.
OPTIM_FN double line(double from, double to, double z) { return from + (to - from) * z; }

// On the half cosine from `from` at z = 0 to `to` at z = 1.
OPTIM_FN double half_cosine(double from, double to, double z) {
  constexpr double pi = 3.14159265358979323846;
  return to + (from - to) * ((1 + std::cos(pi * z)) / 2);
}

// The warm-up that several schedules begin with: from init_lr at s = 0 to max_lr at s = warmup_steps, then the share z
// of the decay that is done, of t_max - warmup_steps steps.
template <class H>
OPTIM_FN bool warms_up(const H& h, double s) {
  return s < h[warmup_steps];
}
template <class H>
OPTIM_FN double warm_up(const H& h, double s) {
  return line(h[init_lr], h[max_lr], s / h[warmup_steps]);
}
template <class H>
OPTIM_FN double decayed(const H& h, double s) {
  return smaller(1, (s - h[warmup_steps]) / (h[t_max] - h[warmup_steps]));
}
template <class H>
constexpr const char* check_warm_up(const H& h) {
  return h[warmup_steps] < h[t_max] ? nullptr : "warmup_steps must be less than t_max";
}

}  // namespace schedule
}  // namespace optim
