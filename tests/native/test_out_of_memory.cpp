// Every host allocation that a call makes is made to fail once: the call reports it, leaves its outputs and buffers
// alone, and works when it is repeated. On the CPU engine: on another, allocations of the device's runtime would be
// among those that fail (internal/test_simt.cpp fails allocations on the device itself).
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>

#include "failing_allocations.h"
#include "helper_settings.h"
#include "list_functions.h"
#include "session.h"

namespace optim_test {
namespace {

// Calls with the first, then the second, ... allocation failing, until one call needs no more than are allowed.
// `unchanged` is asked after every failure, `prepare` runs before every call. Returns how many failures there were.
int fail_each_allocation(
    const std::function<optim_status()>& call, const std::function<void()>& unchanged,
    const std::function<void()>& prepare = [] {}) {
  for (int n = 0; n < 5000; ++n) {
    prepare();
    fail_allocation_after(n);
    const optim_status status = call();
    if (!allocation_has_failed()) {
      EXPECT_EQ(status, OPTIM_OK) << optim_last_error();
      return n;
    }
    // A library may do without the memory (a hint, a message); if it cannot, it must say so.
    if (status == OPTIM_OK) continue;
    EXPECT_EQ(status, OPTIM_OUT_OF_MEMORY) << "allocation " << n << ": " << optim_last_error();
    unchanged();
  }
  ADD_FAILURE() << "the call never succeeded";
  return -1;
}

class OutOfMemory : public PerRule {
 protected:
  PlanSpec spec() const {
    PlanSpec spec{rule().name, {{{40}}, {{4, 3}}, {{3, 2, 3, 3}}}, {variants(rule())[1].hypers}};
    spec.helpers = all_helpers(rule()).helpers;
    return spec;
  }
  Engine engine_{device()};
};

TEST(OutOfMemoryEngine, Create) {
  optim_engine* engine = nullptr;
  const int failures = fail_each_allocation(
      [&] {
        const optim_status status = optim_engine_create(nullptr, &engine);
        if (status == OPTIM_OK) optim_engine_free(std::exchange(engine, nullptr));
        return status;
      },
      [&] { EXPECT_EQ(engine, nullptr); });
  EXPECT_GT(failures, 0) << "nothing was allocated, or the library does not use the replaced operator new";
}

TEST_P(OutOfMemory, PlanCreate) {
  const PlanSpec wanted = spec();
  std::vector<optim_tensor> params;
  for (const TensorSpec& t : wanted.tensors) params.push_back(tensor_view(t.shape, wanted.param, nullptr));
  auto options = sized<optim_plan_options>();
  options.rule = wanted.rule.c_str();
  options.group_count = 1;
  options.hyper_count = static_cast<int64_t>(wanted.hypers[0].size());
  options.hypers = wanted.hypers[0].data();
  options.tensor_count = static_cast<int64_t>(params.size());
  options.params = params.data();
  options.helpers = &wanted.helpers;
  options.grad_dtype = options.state_dtype = 0;
  optim_plan* plan = nullptr;
  const int failures = fail_each_allocation(
      [&] {
        const optim_status status = optim_plan_create(engine_, &options, &plan);
        if (status == OPTIM_OK) optim_plan_free(std::exchange(plan, nullptr));
        return status;
      },
      [&] { EXPECT_EQ(plan, nullptr); });
  EXPECT_GT(failures, 0);
}

// A plan whose binding failed is bound again, and then steps.
TEST_P(OutOfMemory, Bind) {
  Session buffers(engine_, spec());
  buffers.start();
  std::vector<void*> params, grads, states;
  for (size_t i = 0; i < buffers.size(); ++i) {
    params.push_back(buffers.param_buffer(i).data());
    grads.push_back(buffers.grad_buffer(i).data());
    for (size_t s = 0; s < buffers.slots(i).size(); ++s) states.push_back(buffers.state_buffer(i, s).data());
  }
  optim_plan* plan = nullptr;
  const std::vector<void*> inputs = buffers.input_pointers();
  const auto bind = [&] {
    const optim_status status = optim_plan_bind(plan, params.data(), grads.data(), states.data());
    return status != OPTIM_OK || inputs.empty() ? status : optim_plan_bind_inputs(plan, inputs.data());
  };
  const int failures = fail_each_allocation(
      bind,
      [&] {
        EXPECT_EQ(bind(), OPTIM_OK) << optim_last_error();
        EXPECT_EQ(optim_plan_step(plan, nullptr), OPTIM_OK) << optim_last_error();
      },
      [&] {
        optim_plan_free(std::exchange(plan, nullptr));
        check(create_plan(engine_, spec(), &plan));
      });
  optim_plan_free(plan);
  EXPECT_GT(failures, 0);
}

TEST_P(OutOfMemory, InitAndStep) {
  Session undisturbed(engine_, spec());
  undisturbed.start();
  undisturbed.train(1, 1);

  Session session(engine_, spec());
  fail_each_allocation([&] { return optim_plan_init_states(session.plan()); }, [] {}, [&] { session.random_params(); });
  session.random_grads(1);
  const Snapshot before = session.snapshot();
  fail_each_allocation([&] { return optim_plan_step(session.plan(), nullptr); },
                       [&] { EXPECT_TRUE(equal(before, session.snapshot())); }, [&] { session.restore(before); });
  EXPECT_TRUE(equal(undisturbed.snapshot(), session.snapshot()));
}

// A change of hyper-parameters that failed has changed nothing, and can be made again. One helper is on that measures gradients by
// tensor, so that changes to measuring them by row are among those made.
TEST_P(OutOfMemory, SetHypers) {
  PlanSpec wanted = spec();
  wanted.helpers = sized<optim_helpers>();
  wanted.helpers.skip_nonfinite = 1;
  Session session(engine_, wanted), undisturbed(engine_, wanted);
  session.start();
  session.train(1, 1);
  session.random_grads(2);
  undisturbed.start();
  undisturbed.train(1, 1);
  undisturbed.random_grads(2);
  const Snapshot before = session.snapshot();
  const auto count = static_cast<int64_t>(wanted.hypers[0].size());
  const auto set = [&](const Session& of, const std::vector<double>& hypers) {
    return optim_plan_set_hypers(of.plan(), 0, hypers.data(), count);
  };
  const auto hypers_of = [&](const Session& of) {
    std::vector<double> hypers(wanted.hypers[0].size());
    check(optim_plan_get_hypers(of.plan(), 0, hypers.data(), count));
    return hypers;
  };
  const auto step_from_before = [&](Session& of) {
    of.restore(before);
    of.step();
    return of.snapshot();
  };
  const std::vector<double> old = hypers_of(session);
  for (size_t i = 0; i < old.size(); ++i) {
    for (const double value : {0.0, 1.0, old[i] / 2}) {
      std::vector<double> changed = old;
      changed[i] = value;
      if (value == old[i] || set(undisturbed, changed) != OPTIM_OK) continue;
      SCOPED_TRACE(wanted.rule + ": " + rule().hypers[i].name + " becomes " + std::to_string(value));
      const Snapshot expected = step_from_before(undisturbed);
      fail_each_allocation([&] { return set(session, changed); },
                           [&] {
                             EXPECT_EQ(hypers_of(session), old);
                             EXPECT_EQ(set(session, changed), OPTIM_OK) << optim_last_error();
                             EXPECT_TRUE(equal(step_from_before(session), expected));
                           },
                           [&] { check(set(session, old)); });
      EXPECT_TRUE(equal(step_from_before(session), expected));
      check(set(session, old));
      check(set(undisturbed, old));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Native, OutOfMemory, testing::ValuesIn(rules_on(OPTIM_CPU)), name_of_rule);

TEST(OutOfMemoryHelpers, StandAlone) {
  Engine engine;
  const std::vector<Shape> shapes{{4, 3}, {40}};
  for (const ListFunction& f : list_functions()) {
    SCOPED_TRACE(f.name);
    TensorList changed(engine, shapes, OPTIM_F32), other(engine, shapes, OPTIM_F32);
    std::vector<Bytes> before;
    fail_each_allocation([&] { return f.call(engine, 2, changed.views(), f.pairs ? other.views() : nullptr); },
                         [&] { EXPECT_EQ(changed.bytes(), before); },
                         [&] {
                           for (size_t i = 0; i < shapes.size(); ++i) {
                             changed[i].write(random_values(i, numel(shapes[i])));
                             Values values = random_values(i + 5, numel(shapes[i]));
                             for (double& value : values) value = std::fabs(value);
                             other[i].write(values);
                           }
                           before = changed.bytes();
                         });
  }
}

}  // namespace
}  // namespace optim_test
