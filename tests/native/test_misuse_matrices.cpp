// Refused: tensors whose matrices no memory holds.
#include <gtest/gtest.h>

#include "misuse.h"

namespace optim_test {
namespace {

class MisuseMatrices : public PerDevice {
 protected:
  // Of all matrix rules, with one hyper-parameter changed in those that have it.
  void for_rules(const std::string& hyper, double value, const std::function<void(const PlanSpec&)>& body) {
    int visited = 0;
    for (const Rule& rule : rules()) {
      if (rule.shape != "matrix" || (!hyper.empty() && rule.index_of(hyper) < 0)) continue;
      body({rule.name, {}, {with(rule, rule.defaults(), hyper, value)}});
      ++visited;
    }
    EXPECT_GT(visited, 0);
  }

  optim_status create(PlanSpec spec, const Shape& shape) {
    spec.tensors = {{{3}}, {shape}};
    optim_plan_free(plan_);
    plan_ = nullptr;
    return create_plan(engine_, spec, &plan_);
  }
  ~MisuseMatrices() override { optim_plan_free(plan_); }

  Engine engine_{GetParam()};
  optim_plan* plan_ = nullptr;
};
OPTIM_TEST_PER_DEVICE(MisuseMatrices);

// A rule keeps the square of a dimension, so it refuses what is too long, or cuts it, or does without matrices.
TEST_P(MisuseMatrices, DimensionsTooLong) {
  for_rules("", 0, [&](const PlanSpec& spec) {
    const optim_status status = create(spec, {100000});
    if (status != OPTIM_OK) {
      EXPECT_TRUE(refused(status, {spec.rule, "params[1]", "100000", "8192"}, OPTIM_UNSUPPORTED));
      return;
    }
    int64_t slots = 0;
    check(optim_plan_slot_count(plan_, 1, &slots));
    for (int64_t i = 0; i < slots; ++i) {
      optim_slot slot = sized<optim_slot>();
      check(optim_plan_slot(plan_, 1, i, &slot));
      EXPECT_LE(slot.bytes, 400000u) << spec.rule << ' ' << slot.name;
    }
  });
  for_rules("block_size", 0, [&](PlanSpec spec) {
    spec.hypers[0] = with(*find_rule(spec.rule), spec.hypers[0], "no_preconditioning_for_layers_with_dim_gt", 1e6);
    EXPECT_TRUE(refused(create(spec, {2, 9000}), {spec.rule, "params[1]", "9000", "8192"}, OPTIM_UNSUPPORTED));
  });
}

TEST_P(MisuseMatrices, TooManyBlocks) {
  for_rules("block_size", 1, [&](const PlanSpec& spec) {
    EXPECT_TRUE(refused(create(spec, {1000, 1000}), {spec.rule, "params[1]", "1000000", "65536"}, OPTIM_UNSUPPORTED));
  });
}

// Blocks decide which states there are.
TEST_P(MisuseMatrices, LiveBlockSize) {
  for_rules("block_size", 4, [&](const PlanSpec& spec) {
    ASSERT_EQ(create(spec, {5, 9}), OPTIM_OK) << optim_last_error();
    const Rule& rule = *find_rule(spec.rule);
    const auto set = [&](double size) {
      const std::vector<double> row = with(rule, spec.hypers[0], "block_size", size);
      return optim_plan_set_hypers(plan_, 0, row.data(), static_cast<int64_t>(row.size()));
    };
    EXPECT_TRUE(refused(set(5), {spec.rule, "group 0", "params[1]"}));
    EXPECT_EQ(set(4), OPTIM_OK) << optim_last_error();
  });
}

}  // namespace
}  // namespace optim_test
