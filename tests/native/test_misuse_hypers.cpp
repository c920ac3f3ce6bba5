// Refused: hyper-parameters outside the range that the schema states, for every hyper of every rule.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "misuse.h"

namespace optim_test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Values that the schema rules out.
std::vector<double> out_of_range(const Hyper& h) {
  std::vector<double> bad{std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity};
  const auto next = [](double from, double towards) { return std::nextafter(from, towards); };
  if (std::isfinite(h.minimum)) {
    bad.push_back(h.minimum_open ? h.minimum : next(h.minimum, -kInfinity));
    bad.push_back(h.minimum - std::max(1.0, std::fabs(h.minimum)));
  }
  if (std::isfinite(h.maximum)) {
    bad.push_back(h.maximum_open ? h.maximum : next(h.maximum, kInfinity));
    bad.push_back(h.maximum + std::max(1.0, std::fabs(h.maximum)));
  }
  if (h.kind != "real") bad.push_back(h.default_value + 0.5);
  return bad;
}

// Values on the edge that the schema allows.
std::vector<double> edges(const Hyper& h) {
  std::vector<double> good;
  if (std::isfinite(h.minimum) && !h.minimum_open) good.push_back(h.minimum);
  if (std::isfinite(h.maximum)) {
    good.push_back(h.maximum_open ? std::nextafter(h.maximum, -kInfinity) : h.maximum);
  }
  return good;
}

class MisuseHypers : public PerRule {
 protected:
  Engine engine_{device()};
};

TEST_P(MisuseHypers, OutOfRange) {
  PlanSpec spec{rule().name, {{{3}}, {{2, 3}}}, {rule().defaults(), rule().defaults()}, {0, 1}};
  Session session(engine_, spec);
  session.start();
  const Snapshot before = session.snapshot();
  for (size_t i = 0; i < rule().hypers.size(); ++i) {
    const Hyper& h = rule().hypers[i];
    for (double value : out_of_range(h)) {
      SCOPED_TRACE(h.name + " = " + std::to_string(value));
      PlanSpec bad = spec;
      bad.hypers[1][i] = value;
      optim_plan* plan = nullptr;
      EXPECT_TRUE(refused(create_plan(engine_, bad, &plan), {rule().name, h.name}));
      EXPECT_EQ(plan, nullptr);
      optim_plan_free(plan);
      const int64_t count = static_cast<int64_t>(i) + 1;
      EXPECT_TRUE(
          refused(optim_plan_set_hypers(session.plan(), 1, bad.hypers[1].data(), count), {rule().name, h.name}));
      std::vector<double> row(rule().hypers.size());
      check(optim_plan_get_hypers(session.plan(), 1, row.data(), static_cast<int64_t>(row.size())));
      EXPECT_EQ(row, rule().completed(spec.hypers[1])) << "a refused value was kept";
    }
  }
  EXPECT_TRUE(equal(before, session.snapshot()));
}

// The message carries the value, what is allowed, and the group.
TEST_P(MisuseHypers, MessagesNameTheValue) {
  const std::vector<double> good = rule().defaults();
  const std::vector<double> bad = with(rule(), good, "lr", -0.125);
  PlanSpec spec{rule().name, {{{3}}}, {good, bad}};
  optim_plan* plan = nullptr;
  EXPECT_TRUE(refused(create_plan(engine_, spec, &plan), {rule().name, "lr", "-0.125", "1", "0"}));
}

// What each value may be alone and not together is said with both values.
TEST_P(MisuseHypers, MessagesNameValuesThatDisagree) {
  if (rule().index_of("nesterov") < 0) return;
  PlanSpec spec{rule().name, {{{3}}}, {with(rule(), with(rule(), rule().defaults(), "nesterov", 1), "momentum", 0)}};
  optim_plan* plan = nullptr;
  const optim_status status = create_plan(engine_, spec, &plan);
  optim_plan_free(plan);
  if (status == OPTIM_OK) return;
  EXPECT_TRUE(refused(status, {rule().name, "group 0", "nesterov is 1", "momentum is 0"}));
}

TEST_P(MisuseHypers, EdgesAreAllowed) {
  for (size_t i = 0; i < rule().hypers.size(); ++i) {
    const Hyper& h = rule().hypers[i];
    for (double value : edges(h)) {
      PlanSpec spec{rule().name, {{{3}}}, {rule().defaults()}};
      spec.hypers[0][i] = value;
      optim_plan* plan = nullptr;
      const optim_status status = create_plan(engine_, spec, &plan);
      // Alone it is in range; only together with another setting may it be refused, and then the message names both.
      if (status != OPTIM_OK) {
        EXPECT_TRUE(refused(status, {h.name}));
        EXPECT_NE(h.kind, "real") << h.name << " = " << value << ": " << optim_last_error();
      }
      optim_plan_free(plan);
    }
  }
}

// A short row is completed with defaults.
TEST_P(MisuseHypers, ShortRows) {
  PlanSpec spec{rule().name, {{{3}}}, {{}}};
  std::vector<double> row(rule().hypers.size());
  for (size_t given = 0; given <= rule().hypers.size(); ++given) {
    spec.hypers[0] = rule().defaults();
    spec.hypers[0].resize(given);
    Session session(engine_, spec);
    check(optim_plan_get_hypers(session.plan(), 0, row.data(), static_cast<int64_t>(row.size())));
    EXPECT_EQ(row, rule().completed(rule().defaults()));
  }
}

// A 0 that stands for another hyper-parameter does so in a new plan, and keeps what it stood for later.
TEST_P(MisuseHypers, ZeroStandsForAnother) {
  Session session(engine_, {rule().name, {{{3}}}, {rule().defaults()}});
  const std::vector<double> made = rule().completed(rule().defaults());
  const int64_t count = static_cast<int64_t>(made.size());
  std::vector<double> row = rule().defaults();
  for (const Hyper& h : rule().hypers) {
    if (!h.like.empty())
      row = with(rule(), row, h.like, rule().defaults()[static_cast<size_t>(rule().index_of(h.like))] / 2);
  }
  check(optim_plan_set_hypers(session.plan(), 0, row.data(), count));
  std::vector<double> expected = row, actual(row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    if (!rule().hypers[i].like.empty()) expected[i] = made[i];
  }
  check(optim_plan_get_hypers(session.plan(), 0, actual.data(), count));
  EXPECT_EQ(actual, expected);
}

TEST_P(MisuseHypers, CallsThemselves) {
  Session session(engine_, {rule().name, {{{3}}}, {rule().defaults()}});
  std::vector<double> row(rule().hypers.size() + 1, -77);
  const int64_t count = static_cast<int64_t>(rule().hypers.size());
  EXPECT_TRUE(refused(optim_plan_get_hypers(nullptr, 0, row.data(), count), {"plan"}));
  EXPECT_TRUE(refused(optim_plan_get_hypers(session.plan(), 0, nullptr, count), {"hypers"}));
  EXPECT_TRUE(refused(optim_plan_get_hypers(session.plan(), 1, row.data(), count), {"group", "1"}));
  EXPECT_TRUE(refused(optim_plan_get_hypers(session.plan(), -1, row.data(), count), {"group", "-1"}));
  EXPECT_TRUE(refused(optim_plan_get_hypers(session.plan(), 0, row.data(), count + 1), {"count"}));
  EXPECT_TRUE(refused(optim_plan_get_hypers(session.plan(), 0, row.data(), -1), {"count", "-1"}));
  EXPECT_EQ(row, std::vector<double>(row.size(), -77)) << "an output was touched";
  row = rule().defaults();
  row.push_back(0);
  EXPECT_TRUE(refused(optim_plan_set_hypers(nullptr, 0, row.data(), count), {"plan"}));
  EXPECT_TRUE(refused(optim_plan_set_hypers(session.plan(), 0, nullptr, count), {"hypers"}));
  EXPECT_TRUE(refused(optim_plan_set_hypers(session.plan(), 1, row.data(), count), {"group", "1"}));
  EXPECT_TRUE(refused(optim_plan_set_hypers(session.plan(), INT64_MIN, row.data(), count), {"group"}));
  EXPECT_TRUE(refused(optim_plan_set_hypers(session.plan(), 0, row.data(), count + 1), {"count"}));
  EXPECT_TRUE(refused(optim_plan_set_hypers(session.plan(), 0, row.data(), -1), {"count", "-1"}));
  EXPECT_EQ(optim_plan_set_hypers(session.plan(), 0, nullptr, 0), OPTIM_OK);
}

OPTIM_TEST_PER_RULE(MisuseHypers);

}  // namespace
}  // namespace optim_test
