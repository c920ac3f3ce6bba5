// Parameters of 16 bits that keep what rounding to nearest would lose: by master weights, or on average.
#include <gtest/gtest.h>

#include <cmath>

#include "helper_settings.h"
#include "session.h"

namespace optim_test {
namespace {

class ParamStorage : public PerRule {
 protected:
  // Large steps from the first on; matrices whose roots are well conditioned.
  PlanSpec spec_of(int32_t param) const {
    std::vector<double> row = with(rule(), rule().defaults(), "lr", 0.2);
    row = with(rule(), with(rule(), row, "momentum", 0.9), "weight_decay", 0.1);
    row = with(rule(), row, "degenerated_to_sgd", 1);
    PlanSpec spec{rule().name, shapes_for(rule()), {with(rule(), row, "matrix_eps", 1.0)}};
    spec.param = param;
    spec.grad = param == OPTIM_F32 ? OPTIM_BF16 : param;
    return spec;
  }
  PlanSpec with_master_weights(int32_t param) const {
    PlanSpec spec = spec_of(param);
    spec.master_weights = true;
    return spec;
  }
  PlanSpec rounded_at_random(uint64_t seed) const {
    PlanSpec spec = spec_of(OPTIM_BF16);
    spec.stochastic_rounding = true;
    spec.rounding_seed = seed;
    return spec;
  }

  // The states of `session` but for its master weights are those of `other`, to the bit.
  static void expect_equal_states(Session& session, Session& other) {
    for (size_t i = 0; i < session.size(); ++i) {
      ASSERT_EQ(session.slots(i).size(), other.slots(i).size() + 1);
      EXPECT_EQ(session.slots(i).back().name, "master_param");
      for (size_t s = 0; s < other.slots(i).size(); ++s) {
        EXPECT_EQ(session.slots(i)[s].name, other.slots(i)[s].name);
        EXPECT_EQ(session.state_buffer(i, s).bytes(), other.state_buffer(i, s).bytes())
            << "state " << other.slots(i)[s].name << " of tensor " << i;
      }
    }
  }

  Engine engine_{device()};
};

TEST_P(ParamStorage, MasterWeightsTakeTheStepsOfFloatParameters) {
  for (const int32_t param : {OPTIM_F16, OPTIM_BF16}) {
    for (const bool helped : {false, true}) {
      SCOPED_TRACE(std::string(dtype_name(param)) + (helped ? " with all helpers" : ""));
      PlanSpec spec = with_master_weights(param);
      if (helped) spec.helpers = all_helpers(rule()).helpers;
      spec.offset = helped ? 1 : 0;
      PlanSpec in_float = spec;
      in_float.param = OPTIM_F32;
      in_float.master_weights = false;
      Session session(engine_, spec), expected(engine_, in_float);
      session.random_params();
      for (size_t i = 0; i < session.size(); ++i) expected.set_param(i, session.param(i));
      session.init();
      expected.init();
      for (int64_t step = 0; step <= 4; ++step) {
        if (step > 0) session.train(step, step);
        if (step > 0) expected.train(step, step);
        for (size_t i = 0; i < session.size(); ++i) {
          const size_t master = session.slots(i).size() - 1;
          EXPECT_EQ(session.slots(i)[master].shape, spec.tensors[i].shape);
          EXPECT_EQ(session.state_buffer(i, master).bytes(), expected.param_buffer(i).bytes())
              << "step " << step << ", tensor " << i;
          EXPECT_EQ(session.param(i), round_to(param, session.state(i, master))) << "step " << step << ", tensor " << i;
        }
        expect_equal_states(session, expected);
      }
    }
  }
}

// Gradients and states of every type beside them; the parameter itself is never read.
TEST_P(ParamStorage, MasterWeightsReplaceTheParameter) {
  for (const int32_t grad : {OPTIM_F32, OPTIM_F16, OPTIM_BF16}) {
    for (const int32_t state : {OPTIM_F32, OPTIM_BF16}) {
      SCOPED_TRACE(std::string(dtype_name(grad)) + "/" + dtype_name(state));
      PlanSpec spec = with_master_weights(OPTIM_BF16);
      spec.tensors = few_shapes(rule());
      spec.grad = grad;
      spec.state = state;
      spec.helpers = all_helpers(rule()).helpers;
      Session session(engine_, spec), overwritten(engine_, spec);
      for (Session* s : {&session, &overwritten}) s->start();
      for (int64_t step = 1; step <= 3; ++step) {
        for (size_t i = 0; i < spec.tensors.size(); ++i) {
          overwritten.set_param(i, Values(static_cast<size_t>(numel(spec.tensors[i].shape)), NAN));
        }
        session.train(step, step);
        overwritten.train(step, step);
        EXPECT_TRUE(equal(session.snapshot(), overwritten.snapshot())) << "step " << step;
      }
    }
  }
}

// Among parameters of 16 bits those of 32 step as ever.
TEST_P(ParamStorage, LeavesFloatParametersAlone) {
  PlanSpec plain = spec_of(OPTIM_BF16), master = with_master_weights(OPTIM_BF16), random = rounded_at_random(9);
  std::vector<std::unique_ptr<Session>> sessions;
  for (PlanSpec* spec : {&plain, &master, &random}) {
    spec->tensors = few_shapes(rule());
    spec->tensors.back().param = OPTIM_F32;
    sessions.push_back(std::make_unique<Session>(engine_, *spec));
    sessions.back()->start();
    for (int64_t step = 1; step <= 3; ++step) sessions.back()->train(step, step);
  }
  const size_t last = plain.tensors.size() - 1;
  EXPECT_EQ(sessions[1]->slots(last).size(), sessions[0]->slots(last).size());
  for (const auto& session : sessions) {
    EXPECT_EQ(session->snapshot().params[last], sessions[0]->snapshot().params[last]);
    EXPECT_EQ(session->snapshot().states[last], sessions[0]->snapshot().states[last]);
  }
}

// What is not stepped is not rounded either.
TEST_P(ParamStorage, WithoutAGradientNothingChanges) {
  for (PlanSpec spec : {with_master_weights(OPTIM_F16), rounded_at_random(3)}) {
    spec.tensors = few_shapes(rule());
    Session session(engine_, spec);
    session.start();
    session.train(1, 1);
    const Snapshot before = session.snapshot();
    session.set_absent(4, true);
    session.train(2, 2);
    const Snapshot after = session.snapshot();
    EXPECT_EQ(before.params[4], after.params[4]);
    EXPECT_EQ(before.states[4], after.states[4]);
    EXPECT_FALSE(equal(before, after));
    auto skip = sized<optim_step>();
    Buffer found_inf(engine_, OPTIM_F32, 1);
    found_inf.write(Values{1});
    skip.found_inf = static_cast<const float*>(found_inf.data());
    session.step(&skip);
    EXPECT_TRUE(equal(after, session.snapshot()));
  }
}

TEST_P(ParamStorage, ResumesToTheBit) {
  for (PlanSpec spec : {with_master_weights(OPTIM_BF16), rounded_at_random(5)}) {
    spec.helpers = all_helpers(rule()).helpers;
    spec.tensors = few_shapes(rule());
    Session straight(engine_, spec), resumed(engine_, spec);
    straight.start();
    straight.train(1, 3);
    resumed.restore(straight.snapshot());
    straight.train(4, 6);
    resumed.train(4, 6);
    EXPECT_TRUE(equal(straight.snapshot(), resumed.snapshot()));
  }
}

TEST_P(ParamStorage, CostCountsOneMoreWrite) {
  const auto bytes = [&](const PlanSpec& spec) {
    Session session(engine_, spec);
    uint64_t result = 0;
    check(optim_plan_bytes_per_step(session.plan(), &result));
    return result;
  };
  uint64_t elements = 0;
  for (const TensorSpec& tensor : shapes_for(rule())) elements += static_cast<uint64_t>(numel(tensor.shape));
  for (const bool helped : {false, true}) {
    PlanSpec spec = with_master_weights(OPTIM_BF16), in_float = spec_of(OPTIM_F32);
    if (helped) spec.helpers = in_float.helpers = all_helpers(rule()).helpers;
    EXPECT_EQ(bytes(spec), bytes(in_float) + 2 * elements) << (helped ? "with all helpers" : "without helpers");
  }
  EXPECT_EQ(bytes(rounded_at_random(1)), bytes(spec_of(OPTIM_BF16)));
}

// The step of a float parameter is computed for many seeds: each gives a neighbour, and their mean is what is rounded.
TEST_P(ParamStorage, StochasticRoundingIsUnbiased) {
  constexpr int seeds = 48;
  const auto begin = [](Session& session) {
    session.start();
    session.random_params(2);  // undoes what an initialization made of them
  };
  PlanSpec in_float = spec_of(OPTIM_F32);
  in_float.tensors = {{{11, 13}}, {{59}}, {{}}};
  Session exact(engine_, in_float);
  double excess = 0, variance = 0;
  int64_t moved = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    PlanSpec spec = rounded_at_random(static_cast<uint64_t>(seed));
    spec.tensors = in_float.tensors;
    Session session(engine_, spec);
    begin(session);
    if (seed == 0) {
      for (size_t i = 0; i < session.size(); ++i) {
        exact.set_param(i, session.param(i));
        for (size_t s = 0; s < session.slots(i).size(); ++s) exact.set_state(i, s, session.state(i, s));
      }
      exact.train(1, 1);
    }
    session.train(1, 1);
    for (size_t i = 0; i < session.size(); ++i) {
      const Values rounded = session.param(i), values = exact.param(i);
      for (size_t k = 0; k < values.size(); ++k) {
        const auto value = static_cast<float>(values[k]);
        const double size = std::fabs(values[k]), spacing = std::ldexp(1.0, std::ilogb(value) - 7);
        const double low = std::floor(size / spacing) * spacing, up = (size - low) / spacing;
        const double taken = (std::fabs(rounded[k]) - low) / spacing;
        ASSERT_TRUE(taken == 0 || (taken == 1 && up > 0)) << rounded[k] << " for " << values[k];
        ASSERT_EQ(std::signbit(rounded[k]), std::signbit(values[k]));
        excess += taken - up;
        variance += up * (1 - up);
        moved += taken > 0 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(moved, 0);
  EXPECT_LT(std::fabs(excess), 4 * std::sqrt(variance));
}

TEST_P(ParamStorage, DrawsFollowSeedStepAndTensor) {
  const auto run = [&](const PlanSpec& spec) {
    Session session(engine_, spec);
    session.start();
    session.train(1, 2);
    return session.snapshot().params;
  };
  const std::vector<Bytes> once = run(rounded_at_random(1));
  EXPECT_EQ(once, run(rounded_at_random(1)));
  EXPECT_NE(once, run(rounded_at_random(2)));
  EXPECT_NE(once, run(rounded_at_random(uint64_t{1} << 32 | 1)));
}

OPTIM_TEST_PER_RULE(ParamStorage);

}  // namespace
}  // namespace optim_test
