// What only the stand-in runtime of tests/simt can show: how often a step launches, copies, allocates and waits, that
// results do not depend on the device's size or order of execution, and what happens when the device has no memory
// left.
#ifdef OPTIM_SIMT
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>

#include "helper_settings.h"
#include "session.h"
#include "simt/control.h"

namespace optim_test {
namespace {

class Simt : public PerRule {
 protected:
  void SetUp() override {
    simt::set_order("forward");
    simt::set_multiprocessor_count(4);
  }

  PlanSpec spec() const {
    PlanSpec spec{rule().name, shapes_for(rule()), {variants(rule())[1].hypers}};
    spec.helpers = all_helpers(rule()).helpers;
    return spec;
  }
  static Snapshot run(const PlanSpec& spec) {
    Engine engine(OPTIM_CUDA);
    Session session(engine, spec);
    session.start();
    session.train(1, 3);
    return session.snapshot();
  }
};

TEST_P(Simt, ResultsDoNotDependOnTheDevice) {
  const Snapshot expected = run(spec());
  for (int count : {1, 3, 16}) {
    simt::set_multiprocessor_count(count);
    EXPECT_TRUE(equal(expected, run(spec()))) << count << " multiprocessors";
  }
  simt::set_multiprocessor_count(4);
  for (const char* order : {"reverse", "shuffle:1", "shuffle:2"}) {
    simt::set_order(order);
    EXPECT_TRUE(equal(expected, run(spec()))) << order;
  }
}

TEST_P(Simt, LaunchesDoNotDependOnTheNumberOfTensors) {
  Engine engine(OPTIM_CUDA);
  std::uint64_t launches[2];
  for (size_t many : {0, 1}) {
    PlanSpec wanted = spec();
    if (many != 0) {
      const std::vector<TensorSpec> more = small_shapes();
      for (int i = 0; i < 5; ++i) wanted.tensors.insert(wanted.tensors.end(), more.begin(), more.end());
    }
    Session session(engine, wanted);
    session.start();
    session.train(1, 1);
    const std::uint64_t before = simt::launch_count();
    session.step();
    launches[many] = simt::launch_count() - before;
  }
  EXPECT_GT(launches[0], 0u);
  EXPECT_EQ(launches[0], launches[1]);
}

TEST_P(Simt, SteadyStepsOnlyLaunch) {
  Engine engine(OPTIM_CUDA);
  Session session(engine, spec());
  session.start();
  session.train(1, 1);
  const auto expect_launches_only = [&](const char* what, const std::function<void()>& act) {
    const std::uint64_t copies = simt::copy_count(), allocations = simt::allocation_count(),
                        waits = simt::synchronization_count();
    act();
    EXPECT_EQ(simt::copy_count(), copies) << what << " copied";
    EXPECT_EQ(simt::allocation_count(), allocations) << what << " allocated";
    EXPECT_EQ(simt::synchronization_count(), waits) << what << " waited";
  };
  expect_launches_only("a step", [&] { session.step(); });
  expect_launches_only("binding the same pointers", [&] { session.bind(), session.step(); });
}

// Allocations of the whole life of a plan fail one after the other.
TEST_P(Simt, DeviceOutOfMemory) {
  const std::size_t live = simt::live_allocations();
  const PlanSpec wanted = spec();
  for (int n = 1;; ++n) {
    ASSERT_LT(n, 2000) << "the plan never succeeded";
    const std::uint64_t before = simt::allocation_count();
    simt::fail_next_allocation(n);
    bool failed = false;
    try {
      run(wanted);
    } catch (const std::runtime_error& error) {
      failed = true;
      EXPECT_EQ(std::string(error.what()).rfind("OPTIM_OUT_OF_MEMORY", 0), 0u)
          << "allocation " << n << ": " << error.what();
    }
    simt::fail_next_allocation(0);
    EXPECT_EQ(simt::live_allocations(), live) << "memory was leaked when allocation " << n << " failed";
    if (!failed) {
      EXPECT_GT(simt::allocation_count(), before);
      break;
    }
  }
}

// Centralization needs tables by row. Where there is no memory for them nothing has changed, and the change can be made again.
TEST_P(Simt, SetHypersOutOfDeviceMemory) {
  const int use_gc = rule().index_of("use_gc");
  if (use_gc < 0) return;
  PlanSpec wanted = spec();
  wanted.helpers = sized<optim_helpers>();
  wanted.helpers.skip_nonfinite = 1;
  std::vector<double> old = wanted.hypers[0], changed = old;
  wanted.hypers[0][static_cast<size_t>(use_gc)] = old[static_cast<size_t>(use_gc)] = 0;
  changed[static_cast<size_t>(use_gc)] = 1;
  const auto count = static_cast<int64_t>(old.size());
  Snapshot expected;
  bool failed = true;
  int n = 0;
  for (; failed; ++n) {
    Engine engine(OPTIM_CUDA);
    Session session(engine, wanted);
    session.start();
    session.train(1, 1);
    session.random_grads(2);
    simt::fail_next_allocation(n);  // 0: none
    const optim_status status = optim_plan_set_hypers(session.plan(), 0, changed.data(), count);
    simt::fail_next_allocation(0);
    failed = n == 0 || status != OPTIM_OK;
    if (n > 0 && failed) {
      EXPECT_EQ(status, OPTIM_OUT_OF_MEMORY) << optim_last_error();
      std::vector<double> now(old.size());
      check(optim_plan_get_hypers(session.plan(), 0, now.data(), count));
      EXPECT_EQ(now[static_cast<size_t>(use_gc)], 0);
      check(optim_plan_set_hypers(session.plan(), 0, changed.data(), count));
    }
    session.step();
    if (n == 0) expected = session.snapshot();
    EXPECT_TRUE(equal(session.snapshot(), expected)) << "after allocation " << n << " failed";
  }
  EXPECT_GT(n, 2) << "nothing was allocated";
}

INSTANTIATE_TEST_SUITE_P(Native, Simt, testing::ValuesIn(rules_on(OPTIM_CUDA)), name_of_rule);

}  // namespace
}  // namespace optim_test
#endif
