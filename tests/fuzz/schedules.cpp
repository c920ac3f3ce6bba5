// Schedules with random options: valid ones give finite rates between their bounds, the same from wherever one asks;
// others are refused and write nothing.
#include <algorithm>
#include <cmath>

#include "draw.h"
#include "misuse.h"

namespace optim_fuzz {
namespace {

using Row = std::vector<double>;

class Call {
 public:
  Call(const Schedule& schedule, Row row) : schedule_(schedule), row_(std::move(row)) {}

  optim_status at(int64_t step, double* value) const {
    return optim_schedule_value(schedule_.name.c_str(), row_.data(), static_cast<int64_t>(row_.size()), step, value);
  }
  double at(int64_t step) const {
    double value = 0;
    check(at(step, &value));
    return value;
  }
  void expect_refused(int64_t step) const {
    double value = 7;
    EXPECT_TRUE(refused(at(step, &value), {}));
    EXPECT_EQ(value, 7) << "a refused call wrote";
  }

 private:
  const Schedule& schedule_;
  Row row_;
};

double number(const Schedule& schedule, const Row& row, const std::string& name, double absent = 0) {
  for (size_t i = 0; i < schedule.hypers.size(); ++i) {
    if (schedule.hypers[i].name == name) return row[i];
  }
  return absent;
}

struct Bounds {
  double low = 0, high = 0;
};

// Between the rates that it is given; from 0 where it warms up from there, or decays.
Bounds bounds_of(const Schedule& schedule, const Row& row) {
  if (schedule.name == "chebyshev") {
    const double lr = number(schedule, row, "lr");
    return {lr / number(schedule, row, "big_m"), lr / number(schedule, row, "small_m")};
  }
  const bool proportion = schedule.name == "proportion";
  Bounds bounds{std::numeric_limits<double>::infinity(), 0};
  for (size_t i = 0; i < schedule.hypers.size(); ++i) {
    const std::string& name = schedule.hypers[i].name;
    const bool rate = proportion ? name == "max_value" || name == "min_value"
                                 : name == "lr" || name == "init_lr" || name == "max_lr" || name == "min_lr" ||
                                       name == "warm_down_min_lr";
    if (!rate) continue;
    bounds.low = std::min(bounds.low, row[i]);
    bounds.high = std::max(bounds.high, row[i]);
  }
  const bool between = number(schedule, row, "max_lr", -1) >= 0 && number(schedule, row, "gamma", 1) == 1;
  if (!between && schedule.name != "cosine_annealing") bounds.low = 0;
  return bounds;
}

Row valid_row(Random& random, const Schedule& schedule, bool tame) {
  Row row;
  for (const Hyper& hyper : schedule.hypers) row.push_back(valid_value(random, hyper, tame));
  for (size_t i = 0; i < schedule.hypers.size(); ++i) {
    if (schedule.hypers[i].name == "gamma" && tame) row[i] = random.chance(0.2) ? 1 : random.real(0, 1);
  }
  if (schedule.name == "proportion" && tame) row[0] = random.real(std::min(row[1], row[2]), row[1]);
  if (!schedule.hypers.empty() && schedule.hypers.back().variadic) {
    for (int64_t n = random.between(0, 5); n > 0; --n) row.push_back(valid_value(random, schedule.hypers.back(), tame));
  }
  return row;
}

int64_t draw_step(Random& random) {
  const int64_t last = int64_t{1} << 53;
  return random.chance(0.8) ? random.between(1, 60) : random.chance(0.5) ? random.between(1, last) : last;
}

}  // namespace

void schedules(Random& random, const Settings&) {
  const Schedule& schedule = random.pick(optim_test::schedules());
  SCOPED_TRACE(schedule.name);
  const bool tame = random.chance(0.7);
  Row row = valid_row(random, schedule, tame);
  SCOPED_TRACE("with " + testing::PrintToString(row));

  const Call valid(schedule, row);
  double value = 7;
  const optim_status status = valid.at(1, &value);
  if (status != OPTIM_OK) {  // options that disagree with each other; the message names at least one
    const std::string message = optim_last_error();
    EXPECT_TRUE(refused(status, {schedule.name}));
    EXPECT_TRUE((!tame && message.find("finite") != std::string::npos) ||
                std::any_of(schedule.hypers.begin(), schedule.hypers.end(),
                            [&](const Hyper& h) { return message.find(h.name + " is ") != std::string::npos; }))
        << message;
    EXPECT_EQ(value, 7) << "a refused call wrote";
    return;
  }

  const Bounds bounds = bounds_of(schedule, row);
  std::vector<int64_t> steps;
  std::vector<double> values;
  for (int64_t n = random.between(1, 20); n > 0; --n) {
    steps.push_back(draw_step(random));
    values.push_back(7);
    if (valid.at(steps.back(), &values.back()) != OPTIM_OK) {
      EXPECT_FALSE(tame) << optim_last_error();
      EXPECT_NE(std::string(optim_last_error()).find("finite"), std::string::npos) << optim_last_error();
      EXPECT_EQ(values.back(), 7) << "a refused call wrote";
      steps.pop_back();
      values.pop_back();
      continue;
    }
    EXPECT_TRUE(std::isfinite(values.back())) << "step " << steps.back();
    if (!tame) continue;
    EXPECT_GE(values.back(), bounds.low * (1 - 1e-12)) << "step " << steps.back();
    EXPECT_LE(values.back(), bounds.high * (1 + 1e-12)) << "step " << steps.back();
  }
  for (size_t i = steps.size(); i-- > 0;) {
    const double again = valid.at(steps[i]);
    EXPECT_EQ(std::memcmp(&again, &values[i], sizeof again), 0) << "step " << steps[i] << " asked again";
  }

  for (int64_t step : {int64_t{0}, -random.between(1, 99), INT64_MIN, INT64_MAX, (int64_t{1} << 53) + 1})
    valid.expect_refused(step);
  const auto wrong = static_cast<size_t>(random.between(0, static_cast<int64_t>(row.size()) - 1));
  const Hyper& hyper = schedule.hypers[std::min(wrong, schedule.hypers.size() - 1)];
  row[wrong] = invalid_value(random, hyper);
  SCOPED_TRACE(hyper.name + " is " + testing::PrintToString(row[wrong]));
  Call(schedule, row).expect_refused(draw_step(random));
}

}  // namespace optim_fuzz
