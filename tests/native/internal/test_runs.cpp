// Where the two passes of a reduced rule go over a run of tiles at once, and where they are apart, results are the same
// to the bit. What stays on the chip is made to vary; nothing else may.
#include <gtest/gtest.h>

#include "abi/boundary.h"
#include "helper_settings.h"
#include "session.h"
#ifdef OPTIM_SIMT
#include "simt/control.h"
#endif

namespace optim_test {
namespace {

std::int64_t& chip_bytes(Engine& engine) { return static_cast<optim_engine*>(engine)->engine->chip_bytes; }

class Runs : public PerRule {
 protected:
  static constexpr int64_t apart = 0;  // bytes in which nothing stays

  Runs() { chip_bytes(engine_) = 128 << 10; }  // on every device: in less, tests take less time

  // Elements that stay on the chip, in float.
  int64_t limit(const std::vector<double>& row) {
    Session session(engine_, {rule().name, {{{4, 6}}}, {row}});
    int64_t streams = 2 + static_cast<int64_t>(rule().needs.size());
    for (const auto& slot : session.slots(0)) streams += slot.shape == Shape{4, 6} ? 1 : 0;
    return chip_bytes(engine_) / (streams * 4);
  }

  // Rows and tensors of the limit, a little more and less; beside them what does not fit, and what has no sums.
  std::vector<TensorSpec> shapes_around(int64_t n) const {
    return {{{1, n}}, {{7}},        {{1, n + 1}}, {{2, n - 1}}, {{0, 3}}, {{3, n / 3}},
            {{}},     {{n / 9, 9}}, {{2, n + 3}}, {{n / 2, 2}}, {{2500}}, {{1, n}}};
  }

  PlanSpec spec(const std::vector<double>& row, const optim_helpers& helpers) {
    PlanSpec spec{rule().name, shapes_around(limit(row)), {row, row, with(rule(), row, "lr", 0.3)}};
    for (size_t i = 0; i < spec.tensors.size(); ++i) spec.group_of.push_back(static_cast<int64_t>(i / 2 % 3));
    spec.helpers = helpers;
    return spec;
  }

  // One tensor never has a gradient, another only from the second step on.
  static Snapshot run(Engine& engine, const PlanSpec& spec) {
    Session session(engine, spec);
    session.start();
    session.set_absent(3, true);
    session.set_absent(8, true);
    session.train(1, 1);
    session.set_absent(8, false);
    session.train(2, 3);
    return session.snapshot();
  }

  void expect_same_apart(const PlanSpec& spec) {
    const Snapshot expected = run(engine_, spec);
    for (const int64_t bytes : {apart, chip_bytes(engine_) / 3}) {
      Engine other(device());
      chip_bytes(other) = bytes;
      EXPECT_TRUE(equal(expected, run(other, spec))) << bytes << " bytes stay on the chip";
    }
  }

  uint64_t bytes_per_step(Engine& engine, const Shape& shape, const std::vector<double>& row) const {
    Session session(engine, {rule().name, {{shape}}, {row}});
    session.start();
    uint64_t bytes = 0;
    check(optim_plan_bytes_per_step(session.plan(), &bytes));
    return bytes;
  }

  std::vector<double> row() const { return variants(rule())[1].hypers; }

  Engine engine_{device()};
};

TEST_P(Runs, SameAsPassesApart) { expect_same_apart(spec(row(), sized<optim_helpers>())); }

TEST_P(Runs, SameWithEachHelper) {
  for (const HelperSetting& setting : single_helpers(rule())) {
    SCOPED_TRACE(setting.name);
    PlanSpec wanted = spec(row(), setting.helpers);
    // The stand-in for a GPU is slow: one tensor of each kind is enough.
    if (device() != OPTIM_CPU) wanted.tensors[2] = wanted.tensors[11] = wanted.tensors[9] = {{5}};
    expect_same_apart(wanted);
  }
}

TEST_P(Runs, SameWithAllHelpers) { expect_same_apart(spec(row(), all_helpers(rule()).helpers)); }

TEST_P(Runs, SameInEveryStorage) {
  PlanSpec bf16 = spec(row(), all_helpers(rule()).helpers), master = bf16;
  bf16.param = bf16.grad = bf16.state = OPTIM_BF16;
  bf16.stochastic_rounding = true;
  master.param = master.grad = OPTIM_F16;
  master.master_weights = true;
  expect_same_apart(bf16);
  expect_same_apart(master);
  if (device() == OPTIM_CPU) expect_same_apart(all_f64(spec(row(), all_helpers(rule()).helpers)));
}

// A tensor beside others is stepped as it is alone.
TEST_P(Runs, SameAsEachTensorAlone) {
  PlanSpec all = spec(row(), local_helpers().helpers);
  const Snapshot together = run(engine_, all);
  for (const size_t i : {size_t{0}, size_t{2}, size_t{5}, size_t{11}}) {
    PlanSpec alone{rule().name, {all.tensors[i]}, {all.hypers[static_cast<size_t>(all.group_of[i])]}};
    alone.helpers = all.helpers;
    Session session(engine_, alone);
    session.set_keys({i});
    session.start();
    session.train(1, 3);
    const Snapshot one = session.snapshot();
    EXPECT_EQ(one.params[0], together.params[i]) << "tensor " << i;
    EXPECT_EQ(one.states[0], together.states[i]) << "tensor " << i;
  }
}

// However the tiles are divided among the workers: threads, or multiprocessors and the order in which they come.
TEST_P(Runs, WorkersDoNotMatter) {
  const PlanSpec wanted = spec(row(), all_helpers(rule()).helpers);
  const Snapshot expected = run(engine_, wanted);
  if (device() == OPTIM_CPU) {
    for (const int32_t threads : {1, 2, 3, 7}) {
      for (const int64_t bytes : {apart, chip_bytes(engine_)}) {
        Engine engine(OPTIM_CPU, threads);
        chip_bytes(engine) = bytes;
        EXPECT_TRUE(equal(expected, run(engine, wanted))) << threads << " threads, " << bytes << " bytes";
      }
    }
    return;
  }
#ifdef OPTIM_SIMT
  for (const int count : {1, 2, 5}) {
    simt::set_multiprocessor_count(count);
    simt::set_order(count == 2 ? "reverse" : "shuffle:1");
    Engine engine(device());
    chip_bytes(engine) = chip_bytes(engine_);
    EXPECT_TRUE(equal(expected, run(engine, wanted))) << count << " multiprocessors";
  }
  simt::set_multiprocessor_count(4);
  simt::set_order("forward");
#endif
}

// What stays on the chip is read once, and counted once; one element more is not.
TEST_P(Runs, CostKnowsTheLimit) {
  Engine reads_twice(device());
  chip_bytes(reads_twice) = apart;
  const std::vector<double> defaults = rule().defaults();
  const int64_t n = limit(defaults);
  const auto saved = [&](const Shape& shape) {
    return bytes_per_step(reads_twice, shape, defaults) - bytes_per_step(engine_, shape, defaults);
  };
  EXPECT_EQ(saved({1, n + 1}), 0u);
  const uint64_t once = saved({1, n});
  if (once == 0) {  // no two passes over a matrix, by default or that read the same
    EXPECT_EQ(saved({4, 6}), 0u);
    return;
  }
  EXPECT_GE(once, static_cast<uint64_t>(4 * n)) << "at least the parameter is read once instead of twice";
  const bool rows_alone = saved({2, n}) > 0;
  EXPECT_EQ(saved({2, n}), rows_alone ? 2 * once : 0);
  EXPECT_GT(saved({4, 6}), 0u);
}

std::vector<RuleOnDevice> reduced_rules() {
  std::vector<RuleOnDevice> reduced;
  for (const RuleOnDevice& one : rules_on_devices()) {
    if (one.rule->shape == "reduced") reduced.push_back(one);
  }
  return reduced;
}

INSTANTIATE_TEST_SUITE_P(Native, Runs, testing::ValuesIn(reduced_rules()), name_of_rule);

}  // namespace
}  // namespace optim_test
