// Matrix roots through the C ABI: golden ones, batches of many sizes, and matrices that have none.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "float_eigen.h"
#include "golden_file.h"
#include "list_functions.h"
#include "misuse.h"
#include "root_batch.h"
#include "tolerances.h"

namespace optim_test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class Roots : public PerDevice {
 protected:
  bool on_host() const { return GetParam() == OPTIM_CPU; }
  std::vector<GoldenFile> files(const std::string& optimizer) const {
    std::vector<GoldenFile> result;
    for (const auto& entry : std::filesystem::directory_iterator(golden_directory() + "/roots")) {
      GoldenFile file = read_golden(entry.path().string());
      if (file.optimizer == optimizer) result.push_back(std::move(file));
    }
    return result;
  }
  Engine engine_{GetParam()};
};
OPTIM_TEST_PER_DEVICE(Roots);

// All golden matrices of one p in one batch. In double the tolerance of section 14.4 of the specification; in float
// what the rounding of the input makes of its condition, and on a device, which iterates for large matrices, twice the error of
// an eigendecomposition in float.
TEST_P(Roots, Golden) {
  const std::vector<GoldenFile> all = files("matrix_inverse_root");
  ASSERT_EQ(all.size(), 30u);
  int compared = 0;
  for (const int32_t p : {2, 4, 6}) {
    for (const bool ridged : {false, true}) {
      for (const int32_t dtype : {OPTIM_F64, OPTIM_F32}) {
        std::vector<Values> matrices, expected;
        std::vector<double> tolerances;
        const std::string input = ridged ? "in.A32" : "in.A";
        const std::string output = (ridged ? "out.ridge_root" : "out.root") + std::to_string(p);
        for (const GoldenFile& file : all) {
          if (!file.has(input) || !file.has(output)) continue;
          const double condition = ridged ? 1e6 : file.hypers.at("condition").get<double>();
          if (dtype == OPTIM_F32 && !ridged && condition > 1e4) continue;  // not testable, section 14.4
          matrices.push_back(file.at(input).values);
          expected.push_back(file.at(output).values);
          const auto n = static_cast<double>(order(matrices.back()));
          const double in_double = 1e-9 + 100 * n * 1.1e-16 * std::max(condition, 1e6);
          double in_float = ridged ? 4e-7 : 4e-7 + 2 * n * 6e-8 * condition / p;  // A32 is exact in float
          if (dtype == OPTIM_F32 && ridged && !on_host() && n > 64) {
            in_float +=
                2 * distance(float_eigen_root(matrices.back(), p, 1e-6), expected.back()) / norm(expected.back());
          }
          tolerances.push_back(dtype == OPTIM_F64 ? in_double : in_float);
        }
        Batch batch(engine_, matrices, dtype);
        const std::vector<Values> actual = batch.take(p, ridged ? 1e-6 : 0);
        for (size_t i = 0; i < actual.size(); ++i) {
          EXPECT_LE(distance(actual[i], expected[i]), tolerances[i] * norm(expected[i]))
              << output << " of matrix " << i << ", n = " << order(expected[i]);
          ++compared;
        }
        EXPECT_EQ(batch.count(OPTIM_ROOT_SKIPPED), 0u);
      }
    }
  }
  EXPECT_GE(compared, 3 * (26 + 30 + 30 + 12));
}

TEST_P(Roots, GoldenNewtonIterations) {
  const std::vector<GoldenFile> all = files("coupled_newton");
  ASSERT_EQ(all.size(), 3u);
  for (const GoldenFile& file : all) {
    const Values& matrix = file.at("in.A").values;
    for (const auto& iterations : file.hypers.at("iterations")) {
      const std::string number = std::to_string(iterations.get<int>());
      const Values& expected = file.at("out.X" + number).values;
      for (const int32_t dtype : {OPTIM_F64, OPTIM_F32}) {
        Batch batch(engine_, {matrix}, dtype);
        const Values actual = batch.iterate(file.hypers.at("p").get<int32_t>(), iterations.get<int32_t>(), 0)[0];
        const Tolerance tolerance = dtype == OPTIM_F64 ? Tolerance::float64() : Tolerance::float32(file.name);
        EXPECT_LE(distance(actual, expected), tolerance.output(expected)) << file.name << " X" << number;
        if (dtype == OPTIM_F64 && file.has("out.error" + number)) {
          EXPECT_NEAR(batch.errors()[0], file.at("out.error" + number).values[0], 1e-12);
        }
      }
    }
  }
}

// Every p in one batch of many sizes and condition numbers.
TEST_P(Roots, KnownSpectraInMixedBatches) {
  std::vector<Turned> turned;
  std::vector<double> conditions;
  const std::vector<int> sizes =
      on_host() ? std::vector<int>{1, 2, 3, 7, 8, 9, 31, 64, 65, 130, 256} : std::vector<int>{1, 2, 3, 7, 9, 33};
  for (const int n : sizes) {
    for (const double condition : {1.0, 1e4, 1e8, 1e10}) {
      turned.emplace_back(turned.size(), n, condition);
      conditions.push_back(n == 1 ? 1 : condition);
    }
  }
  std::vector<Values> matrices;
  for (const Turned& t : turned) matrices.push_back(t.matrix());
  for (int32_t p = 1; p <= 8; ++p) {
    Batch batch(engine_, matrices, OPTIM_F64);
    const std::vector<Values> actual = batch.take(p, 0);
    for (size_t i = 0; i < turned.size(); ++i) {
      const Values expected = turned[i].of([p](double x) { return std::pow(x, -1.0 / p); });
      const double tolerance =
          1e-9 + 100 * static_cast<double>(order(expected)) * 1.1e-16 * std::max(conditions[i], 1e6);
      EXPECT_LE(distance(actual[i], expected), tolerance * norm(expected)) << "p = " << p << ", matrix " << i;
    }
    EXPECT_EQ(batch.count(OPTIM_ROOT_SKIPPED) + batch.count(OPTIM_ROOT_INDEFINITE), 0u) << "p = " << p;
  }
}

TEST_P(Roots, LargeMatrices) {
  const int n = on_host() ? 1024 : 130;
  const Turned turned(3, n, 1e6);
  Batch batch(engine_, {turned.matrix()}, OPTIM_F32);
  const Values expected = turned.of([](double x) { return 1 / std::sqrt(std::sqrt(x + 3e-4)); });
  EXPECT_LE(distance(batch.take(4, 1e-4)[0], expected), 1e-4 * norm(expected));
}

TEST_P(Roots, NewtonConverges) {
  std::vector<Values> matrices, expected;
  for (const int n : {1, 5, 20}) {
    const Turned turned(static_cast<uint64_t>(n), n, 1e4);
    matrices.push_back(turned.matrix());
    expected.push_back(turned.of([](double x) { return std::pow(x, -1.0 / 3); }));
  }
  Batch batch(engine_, matrices, OPTIM_F64);
  const std::vector<Values> actual = batch.iterate(3, 100, 1e-9);
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_LE(distance(actual[i], expected[i]), 1e-8 * norm(expected[i])) << i;
    EXPECT_LE(batch.errors()[i], 1e-9);
  }
}

TEST_P(Roots, MatricesWithoutARootAreCountedAndLeaveTheRestAlone) {
  const Values good = {4, 0, 0, 16}, root = {0.5, 0, 0, 0.25}, fives(4, 5.0);
  const std::vector<Values> matrices = {good,          {kNan, 0, 0, 1},       {1, kInfinity, 0, 1},
                                        {1, 0, 0, -1}, {0, -kInfinity, 1, 1}, good};
  for (const int32_t dtype : {OPTIM_F32, OPTIM_F64}) {
    Batch batch(engine_, matrices, dtype);
    for (uint64_t round = 1; round <= 2; ++round) {
      const std::vector<Values> actual = batch.take(2, 1e-3);
      EXPECT_EQ(batch.count(OPTIM_ROOT_SKIPPED), 3 * round);
      EXPECT_EQ(batch.count(OPTIM_ROOT_INDEFINITE), round);
      for (const size_t i : {1u, 2u, 4u}) EXPECT_EQ(actual[i], fives) << i;
      for (const size_t i : {0u, 5u}) EXPECT_LE(distance(actual[i], root), 2e-3) << i;
      EXPECT_NEAR(actual[3][3], 1 / std::sqrt(1e-3), 1e-4);
    }
    const Values zero(9, 0.0);
    Batch newton(engine_, {zero, good, {kNan}}, dtype);
    const std::vector<Values> actual = newton.iterate(2, 50, 1e-6);
    EXPECT_EQ(newton.count(OPTIM_ROOT_SKIPPED), 2u);
    EXPECT_EQ(actual[0], Values(9, 5.0));
    EXPECT_LE(distance(actual[1], root), 1e-5);
    EXPECT_EQ(newton.errors()[0], 7);
    EXPECT_EQ(newton.errors()[2], 7);
  }
}

TEST_P(Roots, SingularMatricesStayFinite) {
  Batch batch(engine_, {Values(49, 0.0), Values(49, 1.0), Values(1, 0.0)}, OPTIM_F32);
  for (const double ridge : {0.0, 1e-6}) {
    for (const int32_t p : {1, 2, 16}) {
      for (const Values& root : batch.take(p, ridge)) EXPECT_TRUE(std::isfinite(norm(root))) << p << ' ' << ridge;
    }
  }
}

TEST_P(Roots, NothingToDo) {
  Batch none(engine_, {}, OPTIM_F32), empty(engine_, {Values{}}, OPTIM_F64);
  EXPECT_TRUE(none.take(2, 0).empty());
  empty.take(2, 0);
  EXPECT_EQ(empty.count(OPTIM_ROOT_SKIPPED), 0u);
  check(optim_inverse_root(engine_, 0, nullptr, nullptr, 1, 0, nullptr));
}

TEST_P(Roots, Misuse) {
  Batch batch(engine_, {{4, 0, 0, 16}, {9}}, OPTIM_F32);
  const auto call = [&](int32_t p = 2, double ridge = 0) {
    return optim_inverse_root(engine_, 2, batch.matrices().views(), batch.roots().views(), p, ridge, batch.counter());
  };
  const auto newton = [&](int32_t iterations, double tolerance) {
    return optim_coupled_newton(engine_, 2, batch.matrices().views(), batch.roots().views(), 2, iterations, tolerance,
                                nullptr, nullptr);
  };
  EXPECT_TRUE(refused(call(0), {"p is 0"}));
  EXPECT_TRUE(refused(call(17), {"p is 17", "16"}));
  for (const double bad : {-1e-9, kNan, kInfinity}) EXPECT_TRUE(refused(call(2, bad), {"ridge_epsilon"}));
  EXPECT_TRUE(refused(newton(-1, 0), {"iterations", "-1"}));
  EXPECT_TRUE(refused(newton(1, kNan), {"tolerance"}));
  EXPECT_TRUE(refused(optim_inverse_root(nullptr, 0, nullptr, nullptr, 2, 0, nullptr), {"engine"}));
  EXPECT_TRUE(refused(optim_inverse_root(engine_, 1, nullptr, nullptr, 2, 0, nullptr), {"matrices"}));
  EXPECT_TRUE(refused(optim_inverse_root(engine_, -1, nullptr, nullptr, 2, 0, nullptr), {"count", "-1"}));
  EXPECT_TRUE(refused(optim_plan_root_counts(nullptr, nullptr), {"plan"}));

  const auto spoiled = [&](optim_tensor& view, const std::function<void(optim_tensor&)>& spoil,
                           const std::vector<std::string>& words) {
    const optim_tensor valid = view;
    spoil(view);
    EXPECT_TRUE(refused(call(), words));
    view = valid;
  };
  optim_tensor &matrix = batch.matrices().view(0), &root = batch.roots().view(0);
  spoiled(matrix, [](optim_tensor& t) { t.shape[1] = 1; }, {"matrices[0]", "square"});
  spoiled(matrix, [](optim_tensor& t) { t.rank = 1; }, {"matrices[0]", "square"});
  spoiled(matrix, [](optim_tensor& t) { t.dtype = OPTIM_BF16; }, {"matrices[0]", "BF16", "F32"});
  spoiled(root, [](optim_tensor& t) { t.shape[0] = t.shape[1] = 1; }, {"roots[0]", "matrices[0]"});
  spoiled(root, [](optim_tensor& t) { t.data = nullptr; }, {"roots[0]", "NULL"});
  spoiled(matrix, [](optim_tensor& t) { t.shape[0] = t.shape[1] = 8193; }, {"matrices[0]", "8193", "8192"});
  spoiled(root, [&](optim_tensor& t) { t.data = matrix.data; }, {"roots[0]", "matrices[0]", "overlaps"});
  spoiled(root, [&](optim_tensor& t) { t.data = batch.roots().view(1).data; }, {"roots[", "overlaps"});
  EXPECT_EQ(batch.roots().values()[0], Values(4, 5.0)) << "a refused call changed a root";
  EXPECT_EQ(batch.count(OPTIM_ROOT_SKIPPED), 0u);
}

// What a plan's own roots come to.
TEST_P(Roots, PlansCountTheirs) {
  for (const Rule& rule : rules()) {
    PlanSpec spec{rule.name, {{{3, 4}}, {{2}}}, {rule.defaults()}};
    const int interval = rule.index_of("preconditioning_compute_steps");
    if (interval >= 0) spec.hypers[0][static_cast<size_t>(interval)] = 1;
    Session session(engine_, spec);
    session.start();
    uint64_t counts[OPTIM_ROOT_COUNTS] = {9, 9};
    check(optim_plan_root_counts(session.plan(), counts));
    EXPECT_EQ(counts[OPTIM_ROOT_SKIPPED] + counts[OPTIM_ROOT_INDEFINITE], 0u) << rule.name;
    session.random_grads(1);
    session.set_grad(1, {kNan, 1});
    session.step();
    check(optim_plan_root_counts(session.plan(), counts));
    EXPECT_EQ(counts[OPTIM_ROOT_SKIPPED], rule.shape == "matrix" ? 1u : 0u) << rule.name;
  }
}

}  // namespace
}  // namespace optim_test
