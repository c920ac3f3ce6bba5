// Every learning-rate schedule against its golden cases, at its edges, and refused.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "golden_file.h"
#include "misuse.h"
#include "schema.h"

namespace optim_test {
namespace {

using nlohmann::json;

const Schedule* find(const std::string& name) {
  for (const Schedule& schedule : schedules()) {
    if (schedule.name == name) return &schedule;
  }
  return nullptr;
}

double number_of(const Hyper& hyper, const json& value) {
  if (!value.is_string()) return value.get<double>();
  for (size_t i = 0; i < hyper.words.size(); ++i) {
    if (hyper.words[i] == value.get<std::string>()) return static_cast<double>(i);
  }
  throw std::runtime_error(hyper.name + " is none of the words: " + value.dump());
}

// A row from a JSON object; what it leaves out takes the default, or the value `otherwise` where there is none.
std::vector<double> row_of(const Schedule& schedule, const json& values, double otherwise) {
  std::vector<double> row;
  for (const Hyper& hyper : schedule.hypers) {
    if (!values.contains(hyper.name)) {
      row.push_back(std::isnan(hyper.default_value) ? otherwise : hyper.default_value);
    } else if (hyper.variadic) {
      for (const json& value : values.at(hyper.name)) row.push_back(value.get<double>());
    } else {
      row.push_back(number_of(hyper, values.at(hyper.name)));
    }
  }
  return row;
}

// A row that every schedule accepts.
std::vector<double> accepted(const Schedule& schedule) { return row_of(schedule, json::object(), 1); }

optim_status call(const Schedule& schedule, const std::vector<double>& row, int64_t step, double* value) {
  return optim_schedule_value(schedule.name.c_str(), row.data(), static_cast<int64_t>(row.size()), step, value);
}

double value_at(const Schedule& schedule, const std::vector<double>& row, int64_t step) {
  double value = 0;
  check(call(schedule, row, step, &value));
  return value;
}

double value_at(const std::string& name, const json& values, int64_t step) {
  return value_at(*find(name), row_of(*find(name), values, 0), step);
}

void expect_close(double actual, double expected, size_t i) {
  EXPECT_LE(std::fabs(actual - expected), 1e-12 * std::fabs(expected))
      << "entry " << i << ": " << actual << ", " << expected;
}

void expect_known(const Schedule& schedule, const json& hypers) {
  std::set<std::string> names{"n", "beta1"};  // the number of entries; of the optimizer that the case was taken from
  for (const Hyper& hyper : schedule.hypers) names.insert(hyper.name);
  for (const auto& [name, value] : hypers.items()) EXPECT_EQ(names.count(name), 1u) << name << " = " << value;
}

TEST(Schedules, GoldenCases) {
  std::set<std::string> covered;
  for (const std::string& name : golden_family("schedule.")) {
    SCOPED_TRACE(name);
    const GoldenFile file = read_golden(golden_path(name));
    const Schedule* const schedule = find(file.optimizer);
    ASSERT_NE(schedule, nullptr) << file.optimizer;
    covered.insert(schedule->name);
    expect_known(*schedule, file.hypers);
    if (file.has("in.lr")) {  // values that follow learning rates
      const Values& rates = file.at("in.lr").values;
      const Values& expected = file.at("out.value").values;
      ASSERT_EQ(rates.size(), expected.size());
      json hypers = file.hypers;
      for (size_t i = 0; i < rates.size(); ++i) {
        hypers["lr"] = rates[i];
        expect_close(value_at(*schedule, row_of(*schedule, hypers, NAN), 1), expected[i], i);
      }
    } else {
      const Values& expected = file.at("out.lr").values;
      ASSERT_EQ(expected.size(), file.hypers.at("n").get<size_t>());
      const std::vector<double> row = row_of(*schedule, file.hypers, NAN);
      for (size_t i = 0; i < expected.size(); ++i) {
        expect_close(value_at(*schedule, row, static_cast<int64_t>(i) + 1), expected[i], i);
      }
    }
  }
  for (const Schedule& schedule : schedules())
    EXPECT_EQ(covered.count(schedule.name), 1u) << "no golden case: " << schedule.name;
}

TEST(Schedules, AreDescribed) {
  ASSERT_FALSE(schedules().empty());
  std::set<std::string> names;
  for (const Schedule& schedule : schedules()) {
    SCOPED_TRACE(schedule.name);
    EXPECT_TRUE(names.insert(schedule.name).second) << "registered twice";
    EXPECT_FALSE(schedule.title.empty());
    EXPECT_FALSE(schedule.paper.empty());
    EXPECT_EQ(schedule.url.rfind("https://", 0), 0u);
    EXPECT_FALSE(schedule.summary.empty());
    std::set<std::string> hypers;
    for (const Hyper& h : schedule.hypers) {
      SCOPED_TRACE(h.name);
      EXPECT_TRUE(hypers.insert(h.name).second) << "listed twice";
      EXPECT_FALSE(h.doc.empty());
      EXPECT_FALSE(h.default_value < h.minimum || h.default_value > h.maximum);
      EXPECT_EQ(h.kind == "word", !h.words.empty());
      EXPECT_TRUE(!h.variadic || &h == &schedule.hypers.back()) << "only the last can be a list";
    }
  }
}

// No step, however late, takes long or gives a value that is no rate.
TEST(Schedules, EveryStepHasAValue) {
  for (const Schedule& schedule : schedules()) {
    SCOPED_TRACE(schedule.name);
    const std::vector<double> row = accepted(schedule);
    for (int64_t step : {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{1000}, int64_t{1} << 40, int64_t{1} << 53}) {
      const double value = value_at(schedule, row, step);
      EXPECT_TRUE(std::isfinite(value) && value >= 0) << step << ": " << value;
      EXPECT_EQ(value, value_at(schedule, row, step)) << "pure";
    }
  }
}

TEST(Schedules, CyclesThatGrowReachLateStepsToo) {
  const json growing{{"max_lr", 1}, {"first_cycle_steps", 12}, {"warmup_steps", 2}, {"cycle_mult", 1.1}, {"gamma", 1}};
  const json ceasing{{"max_lr", 1}, {"first_cycle_steps", 4}, {"warmup_steps", 2}, {"cycle_mult", 1.4}, {"gamma", 0.5}};
  const json tripling{{"lr", 1}, {"t_0", 2}, {"t_mult", 3}};
  EXPECT_TRUE(std::isfinite(value_at("cosine_annealing_warmup_restarts", growing, int64_t{1} << 53)));
  // Cycles of 2 + 2 steps for ever, since floor(2 * 1.4) = 2: step 2 of the 5th has halved four times.
  EXPECT_DOUBLE_EQ(value_at("cosine_annealing_warmup_restarts", ceasing, 4 * 4 + 2), 0.5 / 16);
  EXPECT_DOUBLE_EQ(value_at("cosine_annealing_warm_restarts", tripling, 1 + 2 + 6 + 18), 1);  // the first of 54
}

TEST(Schedules, EndsAreExact) {
  EXPECT_EQ(value_at("cosine", {{"max_lr", 0.5}, {"t_max", 10}, {"min_lr", 0.125}, {"warmup_steps", 5}}, 1), 0);
  EXPECT_EQ(value_at("cosine", {{"max_lr", 0.5}, {"t_max", 10}, {"min_lr", 0.125}, {"warmup_steps", 5}}, 6), 0.5);
  EXPECT_EQ(value_at("cosine", {{"max_lr", 0.5}, {"t_max", 10}, {"min_lr", 0.125}, {"warmup_steps", 5}}, 99), 0.125);
  EXPECT_EQ(value_at("wsd", {{"lr", 0.5}, {"min_lr_ratio", 0.25}}, 1), 0.125) << "no steps of any phase";
  EXPECT_EQ(value_at("knee", {{"max_lr", 0.5}, {"min_lr", 0.25}, {"total_steps", 4}, {"explore", 1}}, 5), 0.5);
  EXPECT_EQ(value_at("knee", {{"max_lr", 0.5}, {"min_lr", 0.25}, {"total_steps", 4}, {"explore", 1}}, 6), 0.25);
  EXPECT_EQ(value_at("rex", {{"max_lr", 0.5}, {"min_lr", 0.25}, {"total_steps", 4}}, 5), 0.25);
  EXPECT_EQ(value_at("proportion", {{"lr", 7}, {"max_lr", 1}, {"min_lr", 1}, {"max_value", 3}}, 1), 3);
  EXPECT_EQ(value_at("linear_warmup", {{"lr", 0.5}, {"warmup_steps", 0}}, 1), 0.5);
  EXPECT_EQ(value_at("ranger21_schedule", {{"lr", 0.5}, {"num_iterations", 9}, {"num_warm_up_iterations", 0}}, 1), 0.5);
}

TEST(Schedules, ValuesOutOfRangeAreRefusedByName) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const Schedule& schedule : schedules()) {
    for (size_t i = 0; i < schedule.hypers.size(); ++i) {
      const Hyper& h = schedule.hypers[i];
      std::vector<double> bad{NAN, infinity, -infinity,
                              h.minimum_open ? h.minimum : std::nextafter(h.minimum, -infinity)};
      if (std::isfinite(h.maximum)) bad.push_back(h.maximum_open ? h.maximum : std::nextafter(h.maximum, infinity));
      if (h.kind != "real") bad.push_back(0.5);
      for (double value : bad) {
        SCOPED_TRACE(schedule.name + "." + h.name + " = " + std::to_string(value));
        std::vector<double> row = accepted(schedule);
        row[i] = value;
        double result = 7;
        EXPECT_TRUE(refused(call(schedule, row, 1, &result), {schedule.name, h.name, "allowed"}));
        EXPECT_EQ(result, 7);
      }
      if (!std::isnan(h.default_value)) continue;
      std::vector<double> row = accepted(schedule);
      row.resize(i);
      double result = 7;
      EXPECT_TRUE(refused(call(schedule, row, 1, &result), {schedule.name, h.name, "must be given"}));
    }
  }
}

TEST(Schedules, ListsTakeAnyNumberOfValuesAndOthersOne) {
  for (const Schedule& schedule : schedules()) {
    SCOPED_TRACE(schedule.name);
    std::vector<double> row = accepted(schedule);
    row.push_back(1);
    double value = 7;
    if (schedule.hypers.back().variadic) {
      EXPECT_EQ(call(schedule, row, 1, &value), OPTIM_OK) << optim_last_error();
      row.back() = -1;
      EXPECT_TRUE(refused(call(schedule, row, 1, &value), {schedule.name, schedule.hypers.back().name, "-1"}));
    } else {
      EXPECT_TRUE(refused(call(schedule, row, 1, &value), {schedule.name, std::to_string(row.size() - 1)}));
      EXPECT_EQ(value, 7);
    }
  }
}

TEST(Schedules, DisagreeingValuesAreRefused) {
  const auto refuses = [](const std::string& name, const json& values, const std::vector<std::string>& words) {
    double value = 7;
    const optim_status status = call(*find(name), row_of(*find(name), values, 1), 1, &value);
    EXPECT_TRUE(refused(status, words)) << name;
    EXPECT_EQ(value, 7);
  };
  for (const char* name : {"linear", "cosine", "poly", "polynomial_decay"}) {
    refuses(name, {{"t_max", 5}, {"warmup_steps", 5}}, {name, "warmup_steps is 5", "t_max is 5"});
    refuses(name, {{"t_max", 5}, {"warmup_steps", 6}}, {name, "warmup_steps is 6", "t_max is 5"});
  }
  refuses("cosine_annealing_warmup_restarts", {{"first_cycle_steps", 3}, {"warmup_steps", 3}},
          {"warmup_steps", "first_cycle_steps"});
  refuses("knee", {{"warmup", 0.75}, {"explore", 0.5}}, {"warmup", "explore"});
  refuses("chebyshev", {{"small_m", 2}, {"big_m", 1}}, {"small_m", "big_m"});
}

// What grows without end is refused where it is no number any more, also if it began at 0.
TEST(Schedules, RatesThatAreNotFiniteAreRefused) {
  for (double lr : {0.0, 1.0}) {
    const std::vector<double> row{lr, 1, 2};  // step: doubles after every step
    double value = 7;
    EXPECT_TRUE(refused(call(*find("step"), row, 2000, &value), {"step", "2000", "finite"}));
    EXPECT_EQ(value, 7);
    EXPECT_EQ(call(*find("step"), row, 1000, &value), OPTIM_OK) << optim_last_error();
  }
}

TEST(Schedules, Misuse) {
  const double row[] = {1, 1};
  double value = 7;
  EXPECT_TRUE(refused(optim_schedule_value(nullptr, row, 2, 1, &value), {"name", "NULL"}));
  EXPECT_TRUE(
      refused(optim_schedule_value("cosinus", row, 2, 1, &value), {"cosinus", "cosine_annealing"}, OPTIM_NOT_FOUND));
  EXPECT_TRUE(refused(optim_schedule_value("cosine", nullptr, 2, 1, &value), {"values", "NULL"}));
  EXPECT_TRUE(refused(optim_schedule_value("cosine", row, -1, 1, &value), {"count", "-1"}));
  EXPECT_TRUE(refused(optim_schedule_value("cosine", row, 2, 1, nullptr), {"value", "NULL"}));
  for (int64_t step : {int64_t{0}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    EXPECT_TRUE(refused(optim_schedule_value("cosine", row, 2, step, &value), {"step", std::to_string(step)}));
  }
  EXPECT_EQ(value, 7);
  EXPECT_EQ(optim_schedule_value("cosine", row, 2, 1, &value), OPTIM_OK) << optim_last_error();
}

}  // namespace
}  // namespace optim_test
