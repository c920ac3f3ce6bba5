// The softplus transformation of the denominator, of every rule that lists it as a switch.
#include <gtest/gtest.h>

#include <cmath>

#include "session.h"

namespace optim_test {
namespace {

double softplus(double x, double beta) { return x + std::log1p(std::exp(-beta * x)) / beta; }

// The d > 0 with d / softplus(d) = ratio, which grows with d from 0 to 1.
double denominator_of(double ratio, double beta) {
  double low = 0, high = 1e3;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (middle / softplus(middle, beta) < ratio ? low : high) = middle;
  }
  return (low + high) / 2;
}

class Softplus : public PerRule {
 protected:
  bool listed() const { return rule().index_of("use_softplus") >= 0; }

  // Nothing but the step moves the parameter, and it does not depend on norms; from the first step on, rectified or
  // not.
  std::vector<double> row(bool on, double beta) const {
    std::vector<double> values = without_own_helpers(rule(), with(rule(), rule().defaults(), "lr", 0.02));
    values = with(rule(), with(rule(), values, "weight_decay", 0), "rectify", 0);
    values = with(rule(), with(rule(), values, "degenerated_to_sgd", 1), "adam", 1);
    return with(rule(), with(rule(), values, "use_softplus", on ? 1 : 0), "beta_softplus", beta);
  }

  // What the eighth step adds to a vector, in double.
  Values last_step(bool on, double beta) {
    PlanSpec spec = all_f64({rule().name, {{{37}}}, {row(on, beta)}});
    Session session(engine_, spec);
    session.start();
    session.train(1, 7);
    const Values before = session.param(0);
    session.train(8, 8);
    Values step = session.param(0);
    for (size_t i = 0; i < step.size(); ++i) step[i] -= before[i];
    return step;
  }

  Engine engine_{device()};
};

TEST_P(Softplus, DividesByTheSmoothedDenominator) {
  // A trust ratio cannot be left out of every rule: then only the shape of the step tells, see below.
  if (!listed() || rule().index_of("trust_norm") >= 0) return;
  const Values plain = last_step(false, 50), smooth = last_step(true, 1), sharper = last_step(true, 3);
  for (size_t i = 0; i < plain.size(); ++i) {
    const double d = denominator_of(smooth[i] / plain[i], 1);
    EXPECT_LT(smooth[i] / plain[i], 0.99);
    EXPECT_NEAR(sharper[i] / plain[i], d / softplus(d, 3), 1e-9) << "element " << i << ", denominator " << d;
  }
}

TEST_P(Softplus, IsNothingWhenSharp) {
  if (!listed()) return;
  const Values plain = last_step(false, 50), sharp = last_step(true, 1e6), smooth = last_step(true, 0.5);
  EXPECT_LE(distance(plain, sharp), 1e-9 * norm(plain));
  EXPECT_GT(distance(plain, smooth), 1e-3 * norm(plain));
}

// Switched on and off while it runs, and by group.
TEST_P(Softplus, IsLive) {
  if (!listed()) return;
  const std::vector<double> off = row(false, 0.5), on = row(true, 0.5);
  for (const int32_t dtype : {OPTIM_F32, OPTIM_BF16}) {
    PlanSpec spec{rule().name, few_shapes(rule()), {off, on}};
    spec.param = dtype;
    for (size_t i = 0; i < spec.tensors.size(); ++i) spec.group_of.push_back(static_cast<int64_t>(i % 2));
    Session session(engine_, spec);
    spec.hypers = {on, on};
    Session always(engine_, spec);
    for (Session* s : {&session, &always}) {
      s->start();
      s->train(1, 1);
      check(optim_plan_set_hypers(s->plan(), 0, on.data(), static_cast<int64_t>(on.size())));
    }
    const Snapshot first = session.snapshot(), expected = always.snapshot();
    for (size_t i = 1; i < spec.tensors.size(); i += 2) EXPECT_EQ(first.params[i], expected.params[i]);
    for (size_t i = 0; i < spec.tensors.size(); i += 2) session.set_param(i, always.param(i));
    session.train(2, 2);
    always.train(2, 2);
    EXPECT_EQ(session.snapshot().params, always.snapshot().params);
  }
}

OPTIM_TEST_PER_RULE(Softplus);

}  // namespace
}  // namespace optim_test
