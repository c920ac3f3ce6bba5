// Every instruction set gives the same bits.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "helper_settings.h"
#include "list_functions.h"
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

// Those that this processor has; the engine takes no processor without v2.
const std::vector<const char*>& instruction_sets() {
  static const std::vector<const char*> found = [] {
    std::vector<const char*> names;
    for (const char* name : {"v2", "v3", "v4"}) {
      const InstructionSet set(name);
      optim_engine* engine = nullptr;
      if (optim_engine_create(nullptr, &engine) == OPTIM_OK) names.push_back(name);
      optim_engine_free(engine);
    }
    return names;
  }();
  return found;
}

struct Storage {
  const char* name;
  int32_t param, grad, state;
  bool master_weights, stochastic_rounding;
};
const Storage storages[] = {{"f32", OPTIM_F32, OPTIM_F32, OPTIM_F32, false, false},
                            {"f64", OPTIM_F64, OPTIM_F64, OPTIM_F64, false, false},
                            {"bf16 rounded at random", OPTIM_BF16, OPTIM_BF16, OPTIM_F32, false, true},
                            {"bf16 with bf16 states", OPTIM_BF16, OPTIM_BF16, OPTIM_BF16, false, false},
                            {"f16 with master weights", OPTIM_F16, OPTIM_F16, OPTIM_F32, true, false}};

class InstructionSets : public PerRule {};

TEST_P(InstructionSets, GiveTheSameBits) {
  for (const Storage& storage : storages) {
    for (const bool helped : {false, true}) {
      PlanSpec spec{rule().name, few_shapes(rule()), {variants(rule())[helped ? 0 : 1].hypers}};
      spec.param = storage.param;
      spec.grad = storage.grad;
      spec.state = storage.state;
      spec.master_weights = storage.master_weights;
      spec.stochastic_rounding = storage.stochastic_rounding;
      if (helped) spec.helpers = all_helpers(rule()).helpers;
      const auto train = [&] {
        Engine engine;
        Session session(engine, spec);
        session.start();
        session.train(1, 3);
        return session.snapshot();
      };
      const Snapshot best = train();
      for (const char* name : instruction_sets()) {
        SCOPED_TRACE(std::string(name) + ", " + storage.name + (helped ? ", with helpers" : ""));
        const InstructionSet set(name);
        EXPECT_TRUE(equal(best, train()));
      }
    }
  }
}

// The instruction set is that of the name, or refused: a comparison of one with itself would say nothing.
TEST(InstructionSet, IsChosenByName) {
  ASSERT_FALSE(instruction_sets().empty());
  for (const char* name : instruction_sets()) {
    const InstructionSet set(name);
    Engine engine;
    const char* description = nullptr;
    check(optim_engine_description(engine, &description));
    EXPECT_NE(std::string(description).find(name), std::string::npos) << description;
  }
  const InstructionSet unknown("v9");
  optim_engine* engine = nullptr;
  EXPECT_EQ(optim_engine_create(nullptr, &engine), OPTIM_INVALID_ARGUMENT);
  EXPECT_NE(std::string(optim_last_error()).find("v9"), std::string::npos);
}

// The functions without a plan.
TEST(InstructionSet, OfListFunctions) {
  const std::vector<Shape> shapes{{5, 3}, {70, 70}, {7}, {3, 4, 5, 2}};
  for (const ListFunction& function : list_functions()) {
    for (const int32_t dtype : {OPTIM_F32, OPTIM_BF16}) {
      const auto call = [&] {
        Engine engine;
        TensorList changed(engine, shapes, dtype), other(engine, shapes, dtype);
        for (size_t i = 0; i < shapes.size(); ++i) {
          changed[i].write(random_values(i, numel(shapes[i])));
          other[i].write(random_values(i + 10, numel(shapes[i]), 0.5, 1.5));
        }
        check(function.call(engine, changed.count(), changed.views(), function.pairs ? other.views() : nullptr));
        return changed.bytes();
      };
      const std::vector<Bytes> best = call();
      for (const char* name : instruction_sets()) {
        const InstructionSet set(name);
        EXPECT_EQ(best, call()) << function.name << ", " << name << ", " << dtype_name(dtype);
      }
    }
  }
}

// n x n, symmetric and positive definite.
Values gram(uint64_t seed, int64_t n) {
  const Values b = random_values(seed, n * n, -1, 1);
  Values a(static_cast<size_t>(n * n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = i == j ? 0.5 : 0;
      for (int64_t k = 0; k < n; ++k) sum += b[static_cast<size_t>(i * n + k)] * b[static_cast<size_t>(j * n + k)];
      a[static_cast<size_t>(i * n + j)] = sum;
    }
  }
  return a;
}

TEST(InstructionSet, OfMatrixRootsAndSurgery) {
  const std::vector<Shape> shapes{{3, 3}, {33, 33}, {70, 70}};
  const auto call = [&] {
    Engine engine;
    TensorList matrices(engine, shapes, OPTIM_F32), roots(engine, shapes, OPTIM_F32), newton(engine, shapes, OPTIM_F64),
        sources(engine, shapes, OPTIM_F64), merged(engine, shapes, OPTIM_F32);
    for (size_t i = 0; i < shapes.size(); ++i) {
      matrices[i].write(gram(i, shapes[i][0]));
      sources[i].write(gram(i, shapes[i][0]));
      roots[i].write(random_values(i, numel(shapes[i]), -1, 1));
    }
    std::vector<optim_tensor> tasks(matrices.views(), matrices.views() + matrices.count());
    tasks.insert(tasks.end(), roots.views(), roots.views() + roots.count());
    check(optim_pcgrad(engine, 2, merged.count(), tasks.data(), merged.views(), nullptr, OPTIM_REDUCTION_SUM));
    check(optim_inverse_root(engine, roots.count(), matrices.views(), roots.views(), 4, 1e-6, nullptr));
    check(
        optim_coupled_newton(engine, newton.count(), sources.views(), newton.views(), 2, 40, 1e-10, nullptr, nullptr));
    return std::vector<std::vector<Bytes>>{roots.bytes(), newton.bytes(), merged.bytes()};
  };
  const auto best = call();
  for (const char* name : instruction_sets()) {
    const InstructionSet set(name);
    EXPECT_EQ(best, call()) << name;
  }
}

#if defined(__x86_64__)
INSTANTIATE_TEST_SUITE_P(Native, InstructionSets, testing::ValuesIn(rules_on(OPTIM_CPU)), name_of_rule);
#else
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(InstructionSets);
#endif

}  // namespace
}  // namespace optim_test
