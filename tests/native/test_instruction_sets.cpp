// Every instruction set gives the same bits.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "helper_settings.h"
#include "session.h"

namespace optim_test {
namespace {

// OPTIM_CPU_ISA as long as the object lives.
class InstructionSet {
 public:
  explicit InstructionSet(const char* name) { setenv("OPTIM_CPU_ISA", name, 1); }
  ~InstructionSet() { unsetenv("OPTIM_CPU_ISA"); }
  InstructionSet(const InstructionSet&) = delete;
  InstructionSet& operator=(const InstructionSet&) = delete;
};

class InstructionSets : public PerRule {};

TEST_P(InstructionSets, GiveTheSameBits) {
  Engine engine;
  for (const int32_t dtype : {OPTIM_F32, OPTIM_F64, OPTIM_BF16}) {
    for (const bool helped : {false, true}) {
      PlanSpec spec{rule().name, few_shapes(rule()), {variants(rule())[0].hypers}};
      spec.param = spec.grad = dtype;
      spec.state = dtype == OPTIM_F64 ? OPTIM_F64 : OPTIM_F32;
      if (helped) spec.helpers = all_helpers(rule()).helpers;
      spec.stochastic_rounding = helped && dtype == OPTIM_BF16;
      const auto train = [&] {
        Session session(engine, spec);
        session.start();
        session.train(1, 3);
        return session.snapshot();
      };
      const Snapshot best = train();
      int compared = 0;
      for (const char* name : {"v2", "v3", "v4"}) {
        SCOPED_TRACE(std::string(name) + " in " + dtype_name(dtype) + (helped ? " with helpers" : ""));
        const InstructionSet set(name);
        optim_plan* plan = nullptr;
        const optim_status status = create_plan(engine, spec, &plan);
        optim_plan_free(plan);
        if (status == OPTIM_INVALID_ARGUMENT) continue;  // this processor has no such instructions
        ASSERT_EQ(status, OPTIM_OK) << optim_last_error();
        EXPECT_TRUE(equal(best, train()));
        ++compared;
      }
      EXPECT_GE(compared, 1);  // every processor that the engine takes has v2
    }
  }
}

#if defined(__x86_64__)
INSTANTIATE_TEST_SUITE_P(Native, InstructionSets, testing::ValuesIn(rules_on(OPTIM_CPU)), name_of_rule);
#else
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(InstructionSets);
#endif

}  // namespace
}  // namespace optim_test
