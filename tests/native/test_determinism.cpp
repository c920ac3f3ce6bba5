// What must not change a result by a single bit: threads, the order and partition of tensors, plans side by side.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <thread>

#include "helper_settings.h"
#include "session.h"

namespace optim_test {
namespace {

class Determinism : public PerRule {
 protected:
  PlanSpec spec_of(const std::vector<double>& row, const optim_helpers& helpers = sized<optim_helpers>()) const {
    PlanSpec spec{rule().name, shapes_for(rule()), {row}};
    spec.helpers = helpers;
    return spec;
  }
  PlanSpec spec_with_all_helpers() const { return spec_of(variants(rule())[1].hypers, all_helpers(rule()).helpers); }

  static Snapshot run(Engine& engine, const PlanSpec& spec, int64_t steps = 3) {
    Session session(engine, spec);
    session.start();
    session.train(1, steps);
    return session.snapshot();
  }

  Engine engine_{device()};
};

TEST_P(Determinism, RunToRun) {
  const PlanSpec spec = spec_with_all_helpers();
  const Snapshot first = run(engine_, spec);
  EXPECT_TRUE(equal(first, run(engine_, spec)));
  Engine other(device());
  EXPECT_TRUE(equal(first, run(other, spec))) << "on another engine";
}

TEST_P(Determinism, ThreadCount) {
  if (device() != OPTIM_CPU) return;
  Engine one(OPTIM_CPU, 1);
  std::vector<std::pair<std::string, PlanSpec>> specs{{"no helpers", spec_of(variants(rule())[1].hypers)}};
  specs.emplace_back("all helpers", spec_with_all_helpers());
  specs.emplace_back("all helpers in double", all_f64(spec_with_all_helpers()));
  specs.emplace_back("all helpers, bf16 parameters rounded at random", spec_with_all_helpers());
  specs.back().second.param = OPTIM_BF16;
  specs.back().second.stochastic_rounding = true;
  specs.emplace_back("all helpers, master weights", spec_with_all_helpers());
  specs.back().second.param = OPTIM_F16;
  specs.back().second.master_weights = true;
  for (const auto& [name, spec] : specs) {
    SCOPED_TRACE(name);
    const Snapshot expected = run(one, spec);
    for (int32_t threads : {2, 3}) {
      Engine engine(OPTIM_CPU, threads);
      EXPECT_TRUE(equal(expected, run(engine, spec))) << threads << " threads";
    }
  }
}

// Elementwise rules do not see where a tensor ends.
TEST_P(Determinism, SplitTensors) {
  if (rule().shape != "elementwise") return;
  const int64_t whole_count = 9001;
  for (const Variant& variant : accepted_variants(engine_, rule())) {
    SCOPED_TRACE(variant.name);
    PlanSpec spec = spec_of(without_own_helpers(rule(), variant.hypers));
    spec.tensors = {{{whole_count}}};
    Session whole(engine_, spec);
    bool elementwise = true;  // AdaNorm and its like sum over the tensor
    for (const auto& slot : whole.slots(0)) elementwise = elementwise && slot.shape == spec.tensors[0].shape;
    if (!elementwise) continue;

    // Tensors that share the threads of a block on a device, others that do not, and those just beside the limit.
    std::vector<int64_t> counts{1, 13, 4096, 256, 257};
    for (int64_t i = 0; i < 20; ++i) counts.push_back(1 + i * 37 % 256);
    counts.push_back(whole_count - std::accumulate(counts.begin(), counts.end(), int64_t{0}));
    ASSERT_GT(counts.back(), 0);
    spec.tensors.clear();
    for (int64_t count : counts) spec.tensors.push_back({{count}});
    Session parts(engine_, spec);
    const auto scatter = [&](const Values& values, void (Session::*set)(size_t, const Values&)) {
      auto begin = values.begin();
      for (size_t i = 0; i < counts.size(); ++i) {
        (parts.*set)(i, Values(begin, begin + counts[i]));
        begin += counts[i];
      }
    };
    whole.random_params();
    scatter(whole.param(0), &Session::set_param);
    whole.init();
    parts.init();
    for (uint64_t step = 1; step <= 3; ++step) {
      whole.random_grads(step);
      scatter(whole.grad(0), &Session::set_grad);
      whole.step();
      parts.step();
    }
    Values joined;
    for (size_t i = 0; i < counts.size(); ++i) {
      const Values part = parts.param(i);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    EXPECT_EQ(joined, whole.param(0));
  }
}

TEST_P(Determinism, OrderOfTensors) {
  for (const optim_helpers& helpers : {sized<optim_helpers>(), local_helpers().helpers}) {
    PlanSpec spec = spec_of(variants(rule())[1].hypers, helpers);
    const Snapshot straight = run(engine_, spec);
    std::vector<uint64_t> keys(spec.tensors.size());
    std::iota(keys.rbegin(), keys.rend(), 0);
    std::reverse(spec.tensors.begin(), spec.tensors.end());
    Session session(engine_, spec);
    session.set_keys(keys);
    session.start();
    session.train(1, 3);
    Snapshot reversed = session.snapshot();
    std::reverse(reversed.params.begin(), reversed.params.end());
    std::reverse(reversed.states.begin(), reversed.states.end());
    std::reverse(reversed.steps.begin(), reversed.steps.end());
    std::reverse(reversed.input_steps.begin(), reversed.input_steps.end());
    std::reverse(reversed.stepped.begin(), reversed.stepped.end());
    EXPECT_TRUE(equal(straight, reversed)) << (helpers.centralize != 0 ? "local helpers" : "no helpers");
  }
}

// A group is a plan of its own, as long as nothing is summed over all tensors.
TEST_P(Determinism, GroupsAreSeparatePlans) {
  const std::vector<double> rows[] = {with(rule(), variants(rule())[1].hypers, "lr", 0.01),
                                      with(rule(), variants(rule())[0].hypers, "lr", 0.3)};
  PlanSpec joint = spec_of(rows[0], local_helpers().helpers);
  joint.hypers = {rows[0], rows[1]};
  for (size_t i = 0; i < joint.tensors.size(); ++i) joint.group_of.push_back(i % 2);
  Session session(engine_, joint);
  session.start();
  session.train(1, 3);
  const Snapshot all = session.snapshot();
  for (size_t group : {0u, 1u}) {
    PlanSpec alone = spec_of(rows[group], joint.helpers);
    alone.tensors.clear();
    std::vector<uint64_t> keys;
    for (size_t i = group; i < joint.tensors.size(); i += 2) {
      alone.tensors.push_back(joint.tensors[i]);
      keys.push_back(i);
    }
    Session single(engine_, alone);
    single.set_keys(keys);
    single.start();
    single.train(1, 3);
    const Snapshot expected = single.snapshot();
    for (size_t k = 0; k < keys.size(); ++k) {
      EXPECT_EQ(expected.params[k], all.params[keys[k]]) << "group " << group << ", tensor " << keys[k];
      EXPECT_EQ(expected.states[k], all.states[keys[k]]) << "group " << group << ", tensor " << keys[k];
    }
  }
}

// Plans of one engine, and of two, may step at the same time. (Engine handles may not be shared, so the gradients
// stay.)
TEST_P(Determinism, ConcurrentPlans) {
  const int steps = 4;
  PlanSpec spec = spec_with_all_helpers();
  spec.tensors = few_shapes(rule());
  Engine other(device());
  Session sessions[] = {Session(engine_, spec), Session(engine_, spec), Session(other, spec)};
  for (Session& session : sessions) {
    session.start();
    session.random_grads(1);
  }
  const auto train = [&](Session& session, optim_status& status) {
    for (int s = 0; s < steps && status == OPTIM_OK; ++s) status = optim_plan_step(session.plan(), nullptr);
  };
  optim_status status[std::size(sessions)] = {};
  train(sessions[0], status[0]);
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::size(sessions); ++i) {
    threads.emplace_back([&, i] { train(sessions[i], status[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  const Snapshot expected = sessions[0].snapshot();
  EXPECT_EQ(expected.steps[0], steps);
  for (size_t i = 1; i < std::size(sessions); ++i) {
    EXPECT_EQ(status[i], OPTIM_OK);
    EXPECT_TRUE(equal(expected, sessions[i].snapshot())) << "plan " << i;
  }
}

OPTIM_TEST_PER_RULE(Determinism);

}  // namespace
}  // namespace optim_test
