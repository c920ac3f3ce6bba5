// What surrounds a step: counters, resuming, skipping, scaling, absent gradients, live settings, rebinding.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "helper_settings.h"
#include "session.h"

namespace optim_test {
namespace {

// A float on the device.
class DeviceFloat {
 public:
  DeviceFloat(Engine& engine, double value) : buffer_(engine, OPTIM_F32, 1) { buffer_.write(Values{value}); }
  const float* data() const { return static_cast<const float*>(buffer_.data()); }
  void set(double value) { buffer_.write(Values{value}); }

 private:
  Buffer buffer_;
};

class Stepping : public PerRule {
 protected:
  struct Case {
    std::string name;
    PlanSpec spec;
  };

  PlanSpec spec_of(const std::vector<double>& row) const { return {rule().name, shapes_for(rule()), {row}}; }

  // Every variant without helpers, then all helpers at once. The stand-in for a GPU is slow, so there only mixed
  // variants; that each does what it does on the CPU is another test's subject.
  std::vector<Case> cases() {
    std::vector<Case> all;
    for (const Variant& v : accepted_variants(engine_, rule())) {
      const bool mixed = v.name.rfind("mixed", 0) == 0;
      if (device() == OPTIM_CPU || mixed) all.push_back({v.name, spec_of(v.hypers)});
    }
    all.push_back({"all helpers", spec_of(variants(rule())[1].hypers)});
    all.back().spec.helpers = all_helpers(rule()).helpers;
    return all;
  }
  PlanSpec rich_spec() { return cases().back().spec; }

  static Snapshot run(Session& session, int64_t steps) {
    session.start();
    session.train(1, steps);
    return session.snapshot();
  }

  Engine engine_{device()};
};

TEST_P(Stepping, ResumesAsIfNeverStopped) {
  for (Case& c : cases()) {
    for (int32_t dtype : {OPTIM_F32, OPTIM_BF16}) {
      SCOPED_TRACE(c.name + " " + dtype_name(dtype));
      c.spec.param = c.spec.grad = dtype;
      Session whole(engine_, c.spec);
      const Snapshot middle = run(whole, 3);
      whole.train(4, 6);
      Session resumed(engine_, c.spec);
      resumed.restore(middle);
      EXPECT_TRUE(equal(middle, resumed.snapshot()));
      resumed.train(4, 6);
      EXPECT_TRUE(equal(whole.snapshot(), resumed.snapshot()));
    }
  }
}

TEST_P(Stepping, InitialStatesAreReproducible) {
  Session session(engine_, rich_spec());
  const Snapshot trained = run(session, 2);
  EXPECT_EQ(trained.steps[0], 2);
  Session fresh(engine_, rich_spec());
  fresh.start();
  session.start();
  EXPECT_TRUE(equal(fresh.snapshot(), session.snapshot())) << "init after training is not init";
}

TEST_P(Stepping, FoundInfSkipsEverything) {
  DeviceFloat found_inf(engine_, 0);
  auto options = sized<optim_step>();
  options.found_inf = found_inf.data();
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Session plain(engine_, c.spec);
    const Snapshot expected = run(plain, 4);
    Session session(engine_, c.spec);
    session.start();
    for (int64_t s = 1; s <= 4; ++s) {
      const Snapshot before = session.snapshot();
      session.random_grads(1000 + static_cast<uint64_t>(s));
      found_inf.set(s % 2 == 0 ? 1 : -3);  // any number but zero
      session.step(&options);
      EXPECT_TRUE(equal(before, session.snapshot())) << "a skipped step changed something";
      found_inf.set(0);
      session.random_grads(static_cast<uint64_t>(s));
      session.step(&options);
    }
    EXPECT_TRUE(equal(expected, session.snapshot())) << "skipped steps left a trace";
  }
}

// Dividing by a power of two is exact.
TEST_P(Stepping, GradScale) {
  DeviceFloat scale(engine_, 1024);
  auto options = sized<optim_step>();
  options.grad_scale = scale.data();
  Session plain(engine_, rich_spec());
  Session scaled(engine_, rich_spec());
  plain.start();
  scaled.start();
  for (uint64_t s = 1; s <= 3; ++s) {
    plain.random_grads(s);
    for (size_t i = 0; i < plain.size(); ++i) {
      Values grad = plain.grad(i);
      for (double& g : grad) g *= 1024;
      scaled.set_grad(i, grad);
    }
    scaled.copy_inputs(plain);  // not multiplied by the scale
    const Bytes grad_before = scaled.grad_buffer(0).bytes();
    plain.step();
    scaled.step(&options);
    EXPECT_EQ(grad_before, scaled.grad_buffer(0).bytes()) << "the gradient was changed";
  }
  EXPECT_TRUE(equal(plain.snapshot(), scaled.snapshot()));
}

TEST_P(Stepping, SkipNonfinite) {
  for (optim_helpers helpers : {sized<optim_helpers>(), all_helpers(rule()).helpers}) {
    SCOPED_TRACE(helpers.clip_value > 0 ? "with all helpers" : "alone");
    PlanSpec spec = spec_of(variants(rule())[1].hypers);
    spec.helpers = helpers;
    spec.helpers.skip_nonfinite = 0;
    Session plain(engine_, spec);
    const Snapshot expected = run(plain, 2);
    spec.helpers.skip_nonfinite = 1;
    Session session(engine_, spec);
    session.start();
    session.train(1, 1);
    const Snapshot before = session.snapshot();
    for (double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                       -std::numeric_limits<double>::infinity()}) {
      for (size_t tensor : {size_t{0}, session.size() - 2}) {
        session.random_grads(77);
        Values grad = session.grad(tensor);
        grad.back() = bad;
        session.set_grad(tensor, grad);
        session.step();
        EXPECT_TRUE(equal(before, session.snapshot())) << bad << " at the end of tensor " << tensor;
      }
    }
    session.train(2, 2);
    EXPECT_TRUE(equal(expected, session.snapshot()));
  }
}

TEST_P(Stepping, AbsentGradientsLeaveTensorsAlone) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const size_t absent = 4;
    Session session(engine_, c.spec);
    session.start();
    const Snapshot start = session.snapshot();
    session.set_absent(absent, true);
    session.train(1, 2);

    PlanSpec without_spec = c.spec;
    without_spec.tensors.erase(without_spec.tensors.begin() + absent);
    std::vector<uint64_t> keys;
    for (uint64_t i = 0; i < c.spec.tensors.size(); ++i) {
      if (i != absent) keys.push_back(i);
    }
    Session without(engine_, without_spec);
    without.set_keys(keys);
    const Snapshot others = run(without, 2);
    const Snapshot result = session.snapshot();
    EXPECT_EQ(result.steps[absent], 0);
    EXPECT_EQ(result.params[absent], start.params[absent]);
    EXPECT_EQ(result.states[absent], start.states[absent]);
    for (size_t i = 0; i < keys.size(); ++i) {
      EXPECT_EQ(result.steps[keys[i]], others.steps[i]) << "tensor " << keys[i];
      EXPECT_EQ(result.params[keys[i]], others.params[i]) << "tensor " << keys[i];
      EXPECT_EQ(result.states[keys[i]], others.states[i]) << "tensor " << keys[i];
    }
    session.set_absent(absent, false);
    session.train(3, 3);
    const Snapshot back = session.snapshot();
    EXPECT_FALSE(back.params[absent] == start.params[absent] && back.states[absent] == start.states[absent])
        << "a gradient that came back was ignored";
  }
}

// The steps before rectification do not look at the second moment, which gradients as large as these overflow.
TEST_P(Stepping, UnrectifiedStepsSurviveAnOverflowOfTheSecondMoment) {
  if (rule().index_of("degenerated_to_sgd") < 0) return;
  const std::vector<double> row = with(rule(), rule().defaults(), "weight_decay", 0);
  for (bool steps : {false, true}) {
    Session session(engine_, {rule().name, {{{5}}, {{2, 3}}}, {with(rule(), row, "degenerated_to_sgd", steps)}});
    session.start();
    const std::vector<Values> before{session.param(0), session.param(1)};
    for (size_t i = 0; i < session.size(); ++i) {
      Values grad = before[i];
      for (size_t e = 0; e < grad.size(); ++e) grad[e] = 1e20 * static_cast<double>(e * e + 1);
      session.set_grad(i, grad);
    }
    session.step();
    for (size_t i = 0; i < session.size(); ++i) {
      for (double p : session.param(i)) EXPECT_TRUE(std::isfinite(p)) << "tensor " << i;
      EXPECT_EQ(session.param(i) == before[i], !steps);
    }
  }
}

TEST_P(Stepping, NoGradientsAtAll) {
  Session session(engine_, rich_spec());
  session.start();
  const Snapshot start = session.snapshot();
  for (size_t i = 0; i < session.size(); ++i) session.set_absent(i, true);
  session.step();
  EXPECT_TRUE(equal(start, session.snapshot()));
}

// A tensor with a late gradient begins as if it were trained alone, whatever others have done before; and goes on likewise beside
// them, as long as nothing is summed over all tensors.
TEST_P(Stepping, CountsBelongToTensors) {
  PlanSpec spec{rule().name, few_shapes(rule()), {without_own_helpers(rule(), variants(rule())[1].hypers)}};
  spec.helpers.lookahead_k = 2;
  spec.helpers.lookahead_alpha = 0.5;
  const size_t late = 4;
  Session session(engine_, spec);
  session.start();
  session.set_absent(late, true);
  session.train(1, 3);
  session.set_absent(late, false);
  session.train(4, 6);
  const Snapshot joint = session.snapshot();
  for (size_t i = 0; i < session.size(); ++i) {
    SCOPED_TRACE("tensor " + std::to_string(i));
    PlanSpec alone = spec;
    alone.tensors = {spec.tensors[i]};
    Session reference(engine_, alone);
    reference.set_keys({i});
    reference.start();
    reference.train(i == late ? 4 : 1, 6);
    const Snapshot expected = reference.snapshot();
    EXPECT_EQ(joint.steps[i], expected.steps[0]);
    EXPECT_EQ(joint.params[i], expected.params[0]);
    EXPECT_EQ(joint.states[i], expected.states[0]);
  }
}

// Gradients that come and go, some steps skipped: every tensor has made the steps at which it had one.
TEST_P(Stepping, CountsOfGradientsThatComeAndGo) {
  const PlanSpec spec{rule().name, {{{5}}, {{2, 3}}, {{4}}, {{3}}}, {variants(rule())[1].hypers}};
  Session session(engine_, spec);
  DeviceFloat found_inf(engine_, 0);
  auto options = sized<optim_step>();
  options.found_inf = found_inf.data();
  session.start();
  std::vector<int64_t> expected(session.size(), 0);
  for (uint64_t s = 1; s <= 24; ++s) {
    const bool skipped = s % 5 == 0;
    for (size_t i = 0; i < session.size(); ++i) {
      session.set_absent(i, s % (i + 2) == 0);
      if (!session.absent(i) && !skipped) ++expected[i];
    }
    session.random_grads(s);
    found_inf.set(skipped ? 1 : 0);
    session.step(&options);
    ASSERT_EQ(session.snapshot().steps, expected) << "step " << s;
  }
}

// As references do that count once for a group.
TEST_P(Stepping, StepsByGroup) {
  PlanSpec spec{rule().name, {{{5}}, {{2, 3}}, {{4}}}, {variants(rule())[1].hypers, variants(rule())[1].hypers}};
  spec.group_of = {0, 0, 1};
  spec.steps_by_group = {1, 0};
  Session session(engine_, spec);
  session.start();
  for (size_t i : {1u, 2u}) session.set_absent(i, true);
  const Snapshot start = session.snapshot();
  session.train(1, 3);
  Snapshot after = session.snapshot();
  EXPECT_EQ(after.steps, (std::vector<int64_t>{3, 3, 0}));
  EXPECT_EQ(after.stepped, (std::vector<int32_t>{1, 0, 0}));
  EXPECT_EQ(after.params[1], start.params[1]);
  EXPECT_EQ(after.states[1], start.states[1]);
  for (size_t i : {1u, 2u}) session.set_absent(i, false);
  session.train(4, 5);
  after = session.snapshot();
  EXPECT_EQ(after.steps, (std::vector<int64_t>{5, 5, 2}));
  EXPECT_EQ(after.stepped, (std::vector<int32_t>{1, 1, 1}));

  Session resumed(engine_, spec);  // with counts that a group has made before
  resumed.start();
  std::vector<int64_t> steps{3, 3, 0};
  std::vector<int32_t> stepped{1, 0, 0};
  check(optim_plan_set_steps(resumed.plan(), steps.data(), steps.data(), stepped.data()));
  resumed.set_absent(0, true);
  resumed.set_absent(2, true);
  resumed.train(4, 5);
  EXPECT_EQ(resumed.snapshot().steps, (std::vector<int64_t>{5, 5, 0}));
}

// A tensor whose first gradient comes after a checkpoint begins as it would have without.
TEST_P(Stepping, FirstGradientAfterACheckpoint) {
  Session session(engine_, rich_spec());
  session.start();
  session.set_absent(0, true);
  session.train(1, 3);
  const Snapshot middle = session.snapshot();
  EXPECT_EQ(middle.stepped[0], 0);
  EXPECT_EQ(middle.stepped[1], 1);
  session.set_absent(0, false);
  session.train(4, 6);
  Session resumed(engine_, rich_spec());
  resumed.start();
  resumed.restore(middle);
  resumed.train(4, 6);
  EXPECT_TRUE(equal(session.snapshot(), resumed.snapshot()));
}

TEST_P(Stepping, CountsThatAreSet) {
  Session session(engine_, rich_spec());
  session.start();
  std::vector<int64_t> steps(session.size(), 40);
  steps[0] = 7;
  check(optim_plan_set_steps(session.plan(), steps.data(), steps.data(), nullptr));
  session.train(1, 2);
  EXPECT_EQ(session.counter(0), 9);
  EXPECT_EQ(session.counter(1), 42);
}

// A changed hyper-parameter acts at the next step as in a plan that was made with it.
TEST_P(Stepping, LiveHypers) {
  PlanSpec spec = rich_spec();
  Session session(engine_, spec);
  const Snapshot middle = run(session, 2);
  std::vector<double>& row = spec.hypers[0];
  row = with(rule(), with(rule(), rule().completed(row), "lr", 0.3), "weight_decay", 0.01);
  check(optim_plan_set_hypers(session.plan(), 0, row.data(), static_cast<int64_t>(row.size())));
  session.train(3, 4);
  Session made(engine_, spec);
  made.restore(middle);
  made.train(3, 4);
  EXPECT_TRUE(equal(made.snapshot(), session.snapshot()));
  std::vector<double> read(row.size(), -1);
  check(optim_plan_get_hypers(session.plan(), 0, read.data(), static_cast<int64_t>(read.size())));
  EXPECT_EQ(read, row);
  check(optim_plan_set_hypers(session.plan(), 0, row.data(), 1));
  check(optim_plan_get_hypers(session.plan(), 0, read.data(), 1));
  EXPECT_EQ(read, row);
}

// A live change may not add or remove states; any other that a new plan accepts is accepted, and none is half done.
TEST_P(Stepping, LiveHypersThatDecideStates) {
  const PlanSpec plain = spec_of(variants(rule())[0].hypers);
  const auto slot_names = [](const Session& session) {
    std::vector<std::string> names;
    for (size_t i = 0; i < session.size(); ++i) {
      for (const auto& slot : session.slots(i)) {
        names.push_back(std::to_string(i) + " " + slot.name + " " + to_string(slot.shape));
      }
    }
    return names;
  };
  const std::vector<std::string> names = slot_names(Session(engine_, plain));
  for (const Variant& variant : accepted_variants(engine_, rule())) {
    SCOPED_TRACE(variant.name);
    Session session(engine_, plain);
    const std::vector<double> hypers = rule().completed(variant.hypers);
    const int64_t count = static_cast<int64_t>(hypers.size());
    const optim_status status = optim_plan_set_hypers(session.plan(), 0, hypers.data(), count);
    std::vector<double> row(hypers.size());
    check(optim_plan_get_hypers(session.plan(), 0, row.data(), count));
    if (slot_names(Session(engine_, spec_of(hypers))) == names) {
      EXPECT_EQ(status, OPTIM_OK) << optim_last_error();
      EXPECT_EQ(row, hypers);
    } else {
      EXPECT_NE(status, OPTIM_OK);
      EXPECT_EQ(row, rule().completed(plain.hypers[0]));
    }
  }
}

// A live change reaches all that was derived from what was set before: the plan goes on as a new one with these states.
// And what a new plan refuses of these tensors is refused.
TEST_P(Stepping, LiveHypersOfEveryVariant) {
  for (const Variant& variant : variants(rule())) {
    SCOPED_TRACE(variant.name);
    PlanSpec spec{rule().name, few_shapes(rule()), {variants(rule())[0].hypers}};
    Session session(engine_, spec);
    run(session, 1);
    const std::vector<double> hypers = rule().completed(variant.hypers);
    const optim_status status =
        optim_plan_set_hypers(session.plan(), 0, hypers.data(), static_cast<int64_t>(hypers.size()));
    spec.hypers = {hypers};
    optim_plan* plan = nullptr;
    const optim_status created = create_plan(engine_, spec, &plan);
    optim_plan_free(plan);
    if (created != OPTIM_OK) {
      EXPECT_EQ(status, created);
    }
    if (status != OPTIM_OK) continue;
    Session fresh(engine_, spec);
    fresh.restore(session.snapshot());
    for (Session* each : {&session, &fresh}) each->train(2, 3);
    EXPECT_TRUE(equal(session.snapshot(), fresh.snapshot()));
  }
}

TEST_P(Stepping, Rebinding) {
  Session plain(engine_, rich_spec());
  const Snapshot expected = run(plain, 4);
  Session session(engine_, rich_spec());
  run(session, 2);
  const std::vector<Buffer*> old = session.move_buffers();
  std::vector<Bytes> contents;
  for (const Buffer* buffer : old) contents.push_back(buffer->bytes());
  session.train(3, 3);
  session.bind();  // the same pointers again
  session.train(4, 4);
  EXPECT_TRUE(equal(expected, session.snapshot()));
  for (size_t i = 0; i < old.size(); ++i) EXPECT_EQ(old[i]->bytes(), contents[i]) << "an old buffer was written";
}

TEST_P(Stepping, PartialBind) {
  Session plain(engine_, rich_spec());
  const Snapshot expected = run(plain, 2);
  Session session(engine_, rich_spec());
  session.start();
  check(optim_plan_bind(session.plan(), nullptr, nullptr, nullptr));
  session.train(1, 1);
  std::vector<void*> grads;
  for (size_t i = 0; i < session.size(); ++i) grads.push_back(session.grad_buffer(i).data());
  check(optim_plan_bind(session.plan(), nullptr, grads.data(), nullptr));
  session.train(2, 2);
  EXPECT_TRUE(equal(expected, session.snapshot()));
}

// At the least every gradient is read once, every parameter read and written; at the most everything is read and
// written three times.
TEST_P(Stepping, BytesPerStep) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Session session(engine_, c.spec);
    session.start();
    uint64_t params = 0;
    uint64_t states = 0;
    for (size_t i = 0; i < session.size(); ++i) {
      params += session.param_buffer(i).bytes().size();
      for (size_t s = 0; s < session.slots(i).size(); ++s) states += session.state_buffer(i, s).bytes().size();
    }
    uint64_t bytes = 0;
    check(optim_plan_bytes_per_step(session.plan(), &bytes));
    EXPECT_GE(bytes, 3 * params);
    EXPECT_LE(bytes, 3 * (3 * params + 2 * states));
  }
}

// However many helpers need to look at the gradient first, they look once, and once at the parameter.
TEST_P(Stepping, HelpersReadOnce) {
  const PlanSpec plain_spec = spec_of(without_own_helpers(rule(), variants(rule())[0].hypers));
  PlanSpec spec = plain_spec;
  spec.helpers.agc_clip_val = 0.1;
  spec.helpers.centralize = spec.helpers.normalize = 1;
  spec.helpers.clip_norm = 1;
  spec.helpers.skip_nonfinite = 1;
  uint64_t params = 0, grads = 0, plain_bytes = 0, bytes = 0;
  Session plain(engine_, plain_spec), helped(engine_, spec);
  for (size_t i = 0; i < plain.size(); ++i) {
    params += plain.param_buffer(i).bytes().size();
    grads += plain.grad_buffer(i).bytes().size() * (1 + rule().needs.size());  // skip_nonfinite looks at inputs, too
  }
  check(optim_plan_bytes_per_step(plain.plan(), &plain_bytes));
  check(optim_plan_bytes_per_step(helped.plan(), &bytes));
  EXPECT_GE(bytes, plain_bytes + grads);
  EXPECT_LE(bytes, plain_bytes + params + grads);
}

OPTIM_TEST_PER_RULE(Stepping);

}  // namespace
}  // namespace optim_test
