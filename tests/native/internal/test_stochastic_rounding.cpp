// Stochastic rounding to bf16: the function, and that every engine draws what optim.h says.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/stochastic_rounding.h"
#include "helper_settings.h"
#include "session.h"

namespace optim_test {
namespace {

std::uint16_t half(float value) { return static_cast<std::uint16_t>(optim::bit_cast<std::uint32_t>(value) >> 16); }

TEST(StochasticRounding, ProbabilityIsTheDistance) {
  for (const float value : {1.2345678f, -3.1e-5f, 6.02e23f, 1.9999999f, -1e-42f, 3e-39f}) {
    const std::uint32_t bits = optim::bit_cast<std::uint32_t>(value);
    std::uint32_t raised = 0;
    for (std::uint32_t draw = 0; draw < 65536; ++draw) {
      const std::uint16_t rounded = optim::round_bf16(value, draw);
      ASSERT_TRUE(rounded == half(value) || rounded == half(value) + 1) << value;
      raised += rounded != half(value) ? 1 : 0;
    }
    EXPECT_EQ(raised, bits & 0xffffu) << value;
  }
}

TEST(StochasticRounding, KeepsWhatBf16HasAndWhatIsSpecial) {
  for (std::uint32_t pattern = 0; pattern < 65536; ++pattern) {
    const float value = optim::bit_cast<float>(pattern << 16);
    for (const std::uint32_t draw : {0u, 0x8000u, 0xffffu}) {
      const std::uint16_t rounded = optim::round_bf16(value, draw);
      if (std::isnan(value)) {
        EXPECT_EQ(rounded, pattern | 0x40u);
      } else {
        EXPECT_EQ(rounded, pattern);
      }
    }
  }
  const float infinity = std::numeric_limits<float>::infinity(), largest = std::numeric_limits<float>::max();
  for (std::uint32_t draw = 0; draw < 65536; ++draw) {
    ASSERT_EQ(optim::round_bf16(largest, draw), 0x7f7f);
    ASSERT_EQ(optim::round_bf16(-largest, draw), 0xff7f);
    ASSERT_EQ(optim::round_bf16(infinity, draw), half(infinity));
    ASSERT_EQ(optim::round_bf16(optim::bit_cast<float>(0x7f800001u), draw), 0x7fc0)
        << "NaN with bits in the lower half only";
  }
}

class StochasticRoundingOfRules : public PerRule {};

// Rows of odd length with helpers that differ from row to row: tiles and pieces that begin anywhere in a block of
// draws.
TEST_P(StochasticRoundingOfRules, FollowsTheFormula) {
  constexpr uint64_t seed = 0x123456789abcdefu, purpose = uint64_t{1} << 63;
  Engine engine(device());
  for (const bool helped : {false, true}) {
    PlanSpec spec{rule().name, shapes_for(rule()), {variants(rule())[1].hypers}};
    if (helped) spec.helpers = local_helpers().helpers;
    spec.grad = OPTIM_BF16;
    Session exact(engine, spec);
    spec.param = OPTIM_BF16;
    spec.stochastic_rounding = true;
    spec.rounding_seed = seed;
    spec.offset = helped ? 1 : 0;
    Session session(engine, spec);
    for (Session* s : {&session, &exact}) s->start();
    for (int64_t step = 1; step <= 3; ++step) {
      session.random_params(static_cast<uint64_t>(step) + 1);
      for (size_t i = 0; i < session.size(); ++i) {  // also undoes what an initialization made of rounded parameters
        exact.set_param(i, session.param(i));
        for (size_t s = 0; s < session.slots(i).size(); ++s) exact.set_state(i, s, session.state(i, s));
      }
      for (Session* s : {&session, &exact}) s->train(step, step);
      for (size_t i = 0; i < session.size(); ++i) {
        const Values values = exact.param(i);
        Values expected;
        for (size_t e = 0; e < values.size(); ++e) {
          const optim::RandomBlock block =
              optim::random_block(seed, (uint64_t{i} << 40) + e / 8, purpose + static_cast<uint64_t>(step));
          const std::uint32_t draw = block.word[e / 2 % 4] >> (e % 2 * 16) & 0xffffu;
          const std::uint32_t bits = optim::bit_cast<std::uint32_t>(static_cast<float>(values[e]));
          expected.push_back(static_cast<double>(optim::bit_cast<float>((bits + draw) & 0xffff0000u)));
        }
        EXPECT_EQ(session.param(i), expected)
            << "tensor " << i << " of shape " << to_string(spec.tensors[i].shape) << ", step " << step;
      }
    }
  }
}

OPTIM_TEST_PER_RULE(StochasticRoundingOfRules);

}  // namespace
}  // namespace optim_test
