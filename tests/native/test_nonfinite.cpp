// Values that are not finite: how far they spread, that every loop and engine makes the same of them, and what skips a step.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "misuse.h"
#include "session.h"

namespace optim_test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

class NonFinite : public PerRule {
 protected:
  PlanSpec spec() const { return {rule().name, {{{3, 4, 2, 2}}, {{5, 4}}}, {with(rule(), rule().defaults(), "lr", 0.1)}}; }

  PlanSpec plain_spec() const {
    const std::vector<double> row = with(rule(), rule().defaults(), "weight_decay", 0);
    return {rule().name, {{{5, 4}}, {{40}}}, {without_own_helpers(rule(), row)}};
  }

  // Every kind of number in parameters and gradients, each beside each.
  static void train_on_special_values(Session& session, int steps) {
    const Values special{0.0, -0.0, kInfinity, -kInfinity, kNaN, 1e38, -1e38, 1e-42, -2};
    for (size_t i = 0; i < session.size(); ++i) {
      Values param = session.param(i);
      for (size_t k = 0; k + 1 < param.size(); k += 2) param[k] = special[(k / 2 + i) % special.size()];
      session.set_param(i, param);
    }
    session.init();
    for (int s = 1; s <= steps; ++s) {
      session.random_grads(static_cast<uint64_t>(s));
      for (size_t i = 0; i < session.size(); ++i) {
        Values grad = session.grad(i);
        for (size_t k = 0; k + 2 < grad.size(); k += 3) grad[k] = special[(k / 3 + static_cast<size_t>(s)) % special.size()];
        session.set_grad(i, grad);
      }
      session.step();
    }
  }

  // Equal to the bit but for the bits of a NaN. tolerance: of finite numbers, relative, where sums are taken in another order.
  static testing::AssertionResult same(const Values& a, const Values& b, double tolerance) {
    for (size_t k = 0; k < a.size(); ++k) {
      const bool equal = a[k] == b[k] && std::signbit(a[k]) == std::signbit(b[k]);
      const bool near = std::fabs(a[k] - b[k]) <= tolerance * std::fabs(b[k]);
      if (!equal && !near && !(std::isnan(a[k]) && std::isnan(b[k])))
        return testing::AssertionFailure() << a[k] << " and " << b[k] << " at " << k;
    }
    return testing::AssertionSuccess();
  }

  static void compare(const Session& a, const Session& b, double tolerance = 0) {
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(same(a.param(i), b.param(i), tolerance)) << "parameter " << i;
      for (size_t s = 0; s < a.slots(i).size(); ++s)
        EXPECT_TRUE(same(a.state(i, s), b.state(i, s), tolerance)) << a.slots(i)[s].name << " of tensor " << i;
    }
  }

  Engine engine_{device()};
};

TEST_P(NonFinite, SpreadsAsFarAsTheSchemaSays) {
  constexpr int row = 1;
  constexpr size_t at = 16 * row + 3;
  Session clean(engine_, spec()), spoilt(engine_, spec());
  for (Session* session : {&clean, &spoilt}) {
    session->start();
    for (uint64_t s = 1; s <= 30; ++s) {
      session->random_grads(s);
      Values grad = session->grad(0);
      if (s == 2 && session == &spoilt) grad[at] = kNaN;
      session->set_grad(0, grad);
      for (size_t input = 0; input < rule().needs.size(); ++input) session->set_input(0, input, grad);
      session->step();
    }
  }
  const Values a = clean.param(0), b = spoilt.param(0);
  size_t in_row = 0, elsewhere = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    if (a[k] != b[k]) ++(k / 16 == row ? in_row : elsewhere);
  }
  EXPECT_NE(a[at], b[at]);
  const bool all = clean.param(1) != spoilt.param(1);
  EXPECT_EQ(all ? "all" : elsewhere > 0 ? "tensor" : in_row > 1 ? "row" : "element", rule().reach);
}

// A helper that has nothing to do to these tensors has the gradients measured, and steps go through maps that change nothing.
TEST_P(NonFinite, LoopsWithAndWithoutMapsAgree) {
  PlanSpec mapped = plain_spec();
  mapped.helpers.centralize = 1;
  mapped.helpers.centralize_conv_only = 1;
  Session a(engine_, plain_spec()), b(engine_, mapped);
  for (Session* session : {&a, &b}) {
    session->random_params();
    train_on_special_values(*session, 3);
  }
  compare(a, b);
}

TEST_P(NonFinite, EnginesAgree) {
  Engine cpu;
  for (const auto& own : {"", "adanorm"}) {
    for (double decay : {0.0, 0.1}) {
      PlanSpec spec = plain_spec();
      spec.hypers = {with(rule(), with(rule(), spec.hypers[0], "weight_decay", decay), own, 1)};
      Session a(cpu, spec), b(engine_, spec);
      for (Session* session : {&a, &b}) {
        session->random_params();
        train_on_special_values(*session, 3);
      }
      compare(a, b, rule().shape == "elementwise" && *own == 0 ? 0 : 1e-4);
    }
  }
}

TEST_P(NonFinite, InputsSkipAStepAsGradientsDo) {
  if (rule().needs.empty()) return;
  PlanSpec skips = spec();
  skips.helpers.skip_nonfinite = 1;
  for (const bool by_helper : {true, false}) {
    for (const double bad : {kNaN, kInfinity, -kInfinity}) {
      Session session(engine_, by_helper ? skips : spec());
      session.start();
      session.train(1, 2);
      Buffer overflow(engine_, OPTIM_F32, 1);
      overflow.write(Values{0});
      optim_step options = sized<optim_step>();
      if (!by_helper) options.overflow = static_cast<float*>(overflow.data());
      session.random_grads(3);
      Values input = session.grad(1);
      input.back() = bad;
      session.set_input(1, 0, input);
      const Snapshot before = session.snapshot();
      session.step(&options);
      EXPECT_TRUE(equal(before, session.snapshot())) << bad;
      EXPECT_EQ(overflow.values()[0], by_helper ? 0 : 1);
      session.give_inputs(false);  // then it is not looked at
      session.step(&options);
      EXPECT_EQ(session.counter(), 3);
      EXPECT_FALSE(equal(before, session.snapshot()));
    }
  }
}

OPTIM_TEST_PER_RULE(NonFinite);

class NonFiniteNorm : public PerDevice {
 protected:
  Engine engine_{GetParam()};
};

// Clipping by value comes first, and leaves a norm like any other of what was infinite.
TEST_P(NonFiniteNorm, IsTakenOfWhatClippingByValueLeaves) {
  for (const auto& [type, norm] : {std::pair{1.0, 4.0}, {2.0, 2.0}, {kInfinity, 1.0}}) {
    PlanSpec spec{"sgd", {{{4}}}, {with(*find_rule("sgd"), find_rule("sgd")->defaults(), "lr", 1)}};
    spec.param = spec.grad = spec.state = OPTIM_F64;
    spec.helpers.clip_value = 1;
    spec.helpers.clip_norm = 0.5;
    spec.helpers.clip_norm_type = type;
    Session session(engine_, spec);
    session.set_param(0, Values(4, 0.0));
    session.init();
    session.set_grad(0, {kInfinity, 1, -1, -kInfinity});
    session.step();
    const Values param = session.param(0);
    for (size_t k = 0; k < 4; ++k) EXPECT_NEAR(param[k], (k < 2 ? -1 : 1) * 0.5 / norm, 1e-6) << "norm of type " << type;
  }
}

OPTIM_TEST_PER_DEVICE(NonFiniteNorm);

}  // namespace
}  // namespace optim_test
