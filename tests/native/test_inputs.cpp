// Further buffers that a rule reads beside gradients: bound, left out, counted, refused.
#include <gtest/gtest.h>

#include "misuse.h"
#include "session.h"

namespace optim_test {
namespace {

class Inputs : public PerRule {
 protected:
  PlanSpec spec() const { return {rule().name, {{{5, 3}}, {{7}}}, {with(rule(), rule().defaults(), "lr", 0.1)}}; }

  int64_t input_steps(const Session& session) const { return session.snapshot().input_steps[0]; }

  Engine engine_{device()};
};

TEST_P(Inputs, AreCountedWhereTheyAreGiven) {
  Session session(engine_, spec());
  session.start();
  session.train(1, 2);
  EXPECT_EQ(input_steps(session), rule().needs.empty() ? 0 : 2);
  session.give_inputs(false);
  session.train(3, 3);
  EXPECT_EQ(input_steps(session), rule().needs.empty() ? 0 : 2);
  EXPECT_EQ(session.counter(), 3);
  const std::vector<int64_t> steps(session.size(), 12), given(session.size(), 9);
  check(optim_plan_set_steps(session.plan(), steps.data(), given.data(), nullptr));
  EXPECT_EQ(input_steps(session), 9);
  EXPECT_EQ(session.counter(), 12);
  session.init();
  EXPECT_EQ(input_steps(session), 0);
}

// Where others have had them before.
TEST_P(Inputs, AreNeededAtTheFirstStepOfATensor) {
  if (rule().needs.empty()) return;
  Session session(engine_, spec());
  session.start();
  session.set_absent(1, true);
  session.train(1, 1);
  session.set_absent(1, false);
  session.give_inputs(false);
  const Snapshot before = session.snapshot();
  EXPECT_TRUE(refused(optim_plan_step(session.plan(), nullptr), {rule().needs[0], "params[1]"}));
  EXPECT_TRUE(equal(before, session.snapshot()));
}

// Without them a step moves the parameters and the states that gradients advance, and leaves alone those that inputs advance.
TEST_P(Inputs, AStepWithoutThemLeavesWhatTheyAdvance) {
  if (rule().needs.empty()) return;
  Session session(engine_, spec());
  session.start();
  const auto unchanged_states = [&](uint64_t step) {
    const Snapshot before = session.snapshot();
    session.train(step, step);
    const Snapshot after = session.snapshot();
    size_t count = 0;
    for (size_t i = 0; i < session.size(); ++i) {
      EXPECT_NE(before.params[i], after.params[i]);
      for (size_t s = 0; s < session.slots(i).size(); ++s) count += before.states[i][s] == after.states[i][s] ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(unchanged_states(1), 0u);
  session.give_inputs(false);
  EXPECT_EQ(unchanged_states(2), session.size());  // one state of each tensor
  session.give_inputs(true);
  EXPECT_EQ(unchanged_states(3), 0u);
  EXPECT_EQ(input_steps(session), 2);
}

TEST_P(Inputs, AreRefusedWhereTheyCannotBe) {
  Session session(engine_, spec());
  session.start();
  std::vector<void*> inputs = session.input_pointers();
  if (rule().needs.empty()) {
    void* none[] = {nullptr, nullptr};
    EXPECT_TRUE(refused(optim_plan_bind_inputs(session.plan(), none), {rule().name, "inputs"}));
    return;
  }
  const std::string& name = rule().needs[0];
  const Snapshot before = session.snapshot();
  EXPECT_TRUE(refused(optim_plan_bind_inputs(session.plan(), nullptr), {"inputs"}));
  std::vector<void*> overlapping = inputs;
  overlapping[0] = session.param_buffer(0).data();
  EXPECT_TRUE(refused(optim_plan_bind_inputs(session.plan(), overlapping.data()), {name, "params[0]"}));
  std::vector<void*> params{inputs[0], session.param_buffer(1).data()};
  EXPECT_TRUE(refused(optim_plan_bind(session.plan(), params.data(), nullptr, nullptr), {name, "params[0]"}));
  std::vector<void*> misaligned = inputs;
  misaligned[0] = static_cast<char*>(inputs[0]) + 1;
  EXPECT_TRUE(refused(optim_plan_bind_inputs(session.plan(), misaligned.data()), {name, "params[0]"}));
  std::vector<void*> some = inputs;
  some.back() = nullptr;
  check(optim_plan_bind_inputs(session.plan(), some.data()));
  EXPECT_TRUE(refused(optim_plan_step(session.plan(), nullptr), {name, "params[1]"}));
  std::vector<void*> none(inputs.size(), nullptr);
  check(optim_plan_bind_inputs(session.plan(), none.data()));
  EXPECT_TRUE(refused(optim_plan_step(session.plan(), nullptr), {name, "params[0]"}));
  EXPECT_TRUE(equal(before, session.snapshot()));
}

OPTIM_TEST_PER_RULE(Inputs);

}  // namespace
}  // namespace optim_test
