// What a step asks of a CUDA device: so many kernels, whatever the number of tensors and groups, and no copies.
#include "helper_settings.h"
#include "session.h"

namespace optim_test {
namespace {

struct Work {
  uint64_t launches, uploads;
};

Work queued_by(const Session& session) {
  Work work{UINT64_MAX, UINT64_MAX};
  check(optim_plan_queued_work(session.plan(), &work.launches, &work.uploads));
  return work;
}

class Launches : public PerRule {
 protected:
  // The program of a matrix rule depends on the shapes: one tensor of each.
  PlanSpec one_tensor(const optim_helpers& helpers) const {
    PlanSpec spec{rule().name, {{{33, 65}}}, {plain_row()}};
    for (const Shape& shape : shapes()) {
      if (rule().shape == "matrix") spec.tensors.push_back({shape});
    }
    spec.helpers = helpers;
    return spec;
  }

  // A hundred tensors of every rank, with and without several tiles, in three groups.
  PlanSpec many_tensors(const optim_helpers& helpers) const {
    PlanSpec spec{rule().name, {}, {plain_row(), plain_row(), with(rule(), plain_row(), "lr", 0.01)}};
    for (size_t i = 0; i < 100; ++i) {
      spec.tensors.push_back({shapes()[i % shapes().size()]});
      spec.group_of.push_back(static_cast<int64_t>(i % 3));
    }
    spec.tensors[50] = {{33, 65}};
    spec.helpers = helpers;
    return spec;
  }

  static const std::vector<Shape>& shapes() {
    static const std::vector<Shape> all{{7}, {33, 3}, {2, 3, 4}, {63, 2}, {4, 3, 2, 2}};
    return all;
  }

  // Kernels of a steady step, which copies nothing.
  static uint64_t launches(const PlanSpec& spec) {
    Engine engine(OPTIM_CUDA);
    Session session(engine, spec);
    Buffer scale(engine, OPTIM_F32, 1), found(engine, OPTIM_F32, 1);
    scale.write(Values{2.0});
    auto options = sized<optim_step>();
    options.grad_scale = static_cast<const float*>(scale.data());
    options.found_inf = static_cast<const float*>(found.data());
    session.start();
    session.random_grads(1);
    session.step(&options);
    EXPECT_GT(queued_by(session).uploads, 0u) << "pointers are taken over by the first step";
    session.bind();
    session.step(&options);
    const uint64_t steady = queued_by(session).launches;
    EXPECT_EQ(queued_by(session).uploads, 0u);
    found.write(Values{1.0});
    session.step(&options);
    EXPECT_EQ(queued_by(session).launches, steady) << "whether a step is skipped is the device's to know";
    return steady;
  }

  void expect_launches(const char* what, uint64_t expected, const optim_helpers& helpers) const {
    SCOPED_TRACE(what);
    for (const PlanSpec& spec : {one_tensor(helpers), many_tensors(helpers)}) {
      EXPECT_EQ(launches(spec), expected) << spec.tensors.size() << " tensors";
    }
  }

  // Nothing is summed over the gradients in front of the rule.
  std::vector<double> plain_row() const {
    std::vector<double> row = without_own_helpers(rule(), variants(rule())[1].hypers);
    for (const char* off : {"adanorm", "pre_norm", "max_grad_norm"}) row = with(rule(), std::move(row), off, 0);
    return row;
  }
};

TEST_P(Launches, OneForElementsThreeWithSums) {
  optim_helpers none = sized<optim_helpers>(), local = none;
  local.clip_value = 0.5;
  local.lookahead_k = 2;
  local.lookahead_alpha = 0.5;
  optim_helpers sums = all_helpers(rule()).helpers, decay = none;
  sums.stable_weight_decay = 0;

  // What a reduced rule sums together stays on the chip here; a matrix rule has a program of its own.
  const uint64_t rule_alone = launches(one_tensor(none));
  if (rule().shape != "matrix") {
    EXPECT_EQ(rule_alone, 1u);
  }
  expect_launches("the rule alone", rule_alone, none);
  expect_launches("helpers that need no sums", rule_alone, local);
  expect_launches("all helpers with sums", rule_alone + 1, sums);
  if (slot_of_role(rule(), "second_moment").empty()) return;
  decay.stable_weight_decay = 0.05;
  expect_launches("stable weight decay", rule_alone + 1, decay);
  expect_launches("all helpers", rule_alone + 2, all_helpers(rule()).helpers);
}

// A second launch goes over what does not stay on the chip, which is what is counted twice.
TEST_P(Launches, OneMoreForWhatIsReadTwice) {
  if (rule().shape == "matrix") return;  // its measure has no second pass
  const int64_t small = 2000, large = 17000;
  const auto floats = [&](int64_t columns) {
    Engine engine(OPTIM_CUDA);
    Session session(engine, {rule().name, {{{2, columns}}}, {plain_row()}});
    session.start();
    uint64_t bytes = 0;
    check(optim_plan_bytes_per_step(session.plan(), &bytes));
    return bytes / static_cast<uint64_t>(4 * 2 * columns);
  };
  const uint64_t more = floats(large) > floats(small) ? 1 : 0;
  if (rule().shape == "elementwise") {
    EXPECT_EQ(more, 0u);
  }
  PlanSpec spec{rule().name, {{{7}}, {{2, small}}}, {plain_row()}};
  EXPECT_EQ(launches(spec), 1u);
  spec.tensors.insert(spec.tensors.begin() + 1, {{2, large}});
  EXPECT_EQ(launches(spec), 1 + more);
  spec.helpers.clip_norm = 1;
  EXPECT_EQ(launches(spec), 2 + more);
}

// A reduced rule that leaves vectors alone needs no second pass where there is nothing else.
TEST_P(Launches, NeverMoreForVectors) {
  PlanSpec spec{rule().name, {{{7}}, {{300}}}, {plain_row()}};
  const uint64_t vectors = launches(spec);
  EXPECT_GE(vectors, 1u);
  EXPECT_LE(vectors, launches(one_tensor(sized<optim_helpers>())));
}

TEST_P(Launches, AtMostThreeWithDefaults) {
  if (rule().shape == "matrix") return;  // its program adds to them
  PlanSpec spec = one_tensor(sized<optim_helpers>());
  spec.hypers = {variants(rule())[0].hypers};
  EXPECT_LE(launches(spec), 3u);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Launches);
INSTANTIATE_TEST_SUITE_P(Native, Launches, testing::ValuesIn(rules_on(OPTIM_CUDA)), name_of_rule);

TEST(QueuedWork, IsNoneOnTheCpu) {
  Engine engine;
  Session session(engine, {rules()[0].name, {{{4, 3}}}, {rules()[0].defaults()}});
  session.start();
  session.train(1, 1);
  EXPECT_EQ(queued_by(session).launches, 0u);
  EXPECT_EQ(queued_by(session).uploads, 0u);
  check(optim_plan_queued_work(session.plan(), nullptr, nullptr));
  EXPECT_EQ(optim_plan_queued_work(nullptr, nullptr, nullptr), OPTIM_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace optim_test
