// Roots of matrices in float that a device takes by iteration, beside the same in double and by an eigendecomposition in float.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "float_eigen.h"
#include "root_batch.h"

namespace optim_test {
namespace {

Values rounded(Values values) {
  for (double& value : values) value = static_cast<float>(value);
  return values;
}

double relative(const Values& actual, const Values& expected) { return distance(actual, expected) / norm(expected); }

// A Turned of these eigenvalues, in float.
Values with_spectrum(uint64_t seed, const Values& lambda) {
  Turned turned(seed, static_cast<int>(lambda.size()), 1);
  turned.lambda = lambda;
  return rounded(turned.matrix());
}

// As many eigenvalues, spread evenly over the orders of magnitude from 1 down.
Values spread(int n, double condition) {
  Values lambda;
  for (int i = 0; i < n; ++i) lambda.push_back(std::pow(condition, -static_cast<double>(i) / (n - 1)));
  return lambda;
}

class LargeRoots : public PerDevice {
 protected:
  // By the host in double.
  static std::vector<Values> expected(const std::vector<Values>& matrices, int32_t p, double ridge) {
    Engine host(OPTIM_CPU);
    return Batch(host, matrices, OPTIM_F64).take(p, ridge);
  }
  bool iterates() const { return GetParam() != OPTIM_CPU; }
  Engine engine_{GetParam()};
};
OPTIM_TEST_PER_DEVICE(LargeRoots);

TEST_P(LargeRoots, AreNoWorseThanTwiceAnEigendecompositionInFloat) {
  constexpr double ridge = 1e-6;
  struct Case {
    int n;
    int32_t p;
    std::vector<double> conditions;
  };
  for (const Case& c : std::vector<Case>{{65, 1, {1, 1e6, 1e10}},
                                         {65, 2, {1e8}},
                                         {65, 8, {1e8}},
                                         {96, 3, {1e10}},
                                         {96, 6, {1e4}},
                                         {129, 4, {1e10}},
                                         {129, 5, {1e3}},
                                         {200, 7, {1e10}}}) {
    std::vector<Values> matrices;
    for (const double condition : c.conditions) {
      matrices.push_back(with_spectrum(static_cast<uint64_t>(c.n), spread(c.n, condition)));
    }
    Batch batch(engine_, matrices, OPTIM_F32);
    const std::vector<Values> actual = batch.take(c.p, ridge), exact = expected(matrices, c.p, ridge);
    for (size_t k = 0; k < matrices.size(); ++k) {
      const double in_float = relative(float_eigen_root(matrices[k], c.p, ridge), exact[k]);
      EXPECT_LE(relative(actual[k], exact[k]), 2 * in_float) << "n = " << c.n << ", p = " << c.p << ", matrix " << k;
    }
    EXPECT_EQ(batch.count(OPTIM_ROOT_SKIPPED) + batch.count(OPTIM_ROOT_INDEFINITE), 0u);
  }
}

// Where no eigenvalue is below 0 all of the error is that of storing the result.
TEST_P(LargeRoots, AreExactWhereNothingIsRaised) {
  const std::vector<Values> matrices = {with_spectrum(7, spread(70, 1e6))};
  for (const int32_t p : {1, 2, 3, 4, 6, 7, 11, 15, 16}) {
    EXPECT_LE(relative(Batch(engine_, matrices, OPTIM_F32).take(p, 1e-6)[0], expected(matrices, p, 1e-6)[0]), 6e-8)
        << p;
  }
  const std::vector<Values> others = {with_spectrum(7, spread(70, 2)), with_spectrum(8, spread(140, 1e5))};
  const std::vector<Values> actual = Batch(engine_, others, OPTIM_F32).take(4, 0), exact = expected(others, 4, 0);
  for (size_t k = 0; k < others.size(); ++k) EXPECT_LE(relative(actual[k], exact[k]), 6e-8) << "no ridge, " << k;
}

// A device takes a matrix whose smallest eigenvalue is negative by a twentieth of the ridge as it is, and decomposes one
// where it is a fifth, so that it is raised. Both are below what rounding explains, and not counted.
TEST_P(LargeRoots, RaiseWhatIsFurtherBelowZero) {
  constexpr int n = 80;
  constexpr double ridge = 1e-6;
  for (const double below : {0.05, 0.2}) {
    Values lambda = spread(n, 1e3);
    lambda[n / 2] = -below * ridge;
    const std::vector<Values> matrices = {with_spectrum(3, lambda)};
    Batch batch(engine_, matrices, OPTIM_F32);
    const double error = relative(batch.take(2, ridge)[0], expected(matrices, 2, ridge)[0]);
    if (iterates() && below < 0.1) {
      EXPECT_NEAR(error, 1 / std::sqrt(1 - below) - 1, 0.01);
    } else {
      EXPECT_LE(error, 6e-8);
    }
    EXPECT_EQ(batch.count(OPTIM_ROOT_INDEFINITE), 0u);
  }
}

TEST_P(LargeRoots, IndefiniteMatricesAreCountedAndRaised) {
  constexpr int n = 90;
  std::vector<Values> matrices;
  for (const double smallest : {-0.5, -1e-3, -1e-4}) {
    Values lambda = spread(n, 1e2);
    lambda[5] = smallest;
    matrices.push_back(with_spectrum(4, lambda));
  }
  Values negative = spread(n, 10);
  for (double& value : negative) value = -value;
  matrices.push_back(with_spectrum(5, negative));
  for (const double ridge : {1e-6, 1e-3}) {
    Batch batch(engine_, matrices, OPTIM_F32);
    const std::vector<Values> actual = batch.take(4, ridge), exact = expected(matrices, 4, ridge);
    for (size_t k = 0; k < matrices.size(); ++k) EXPECT_LE(relative(actual[k], exact[k]), 1e-7) << k << ' ' << ridge;
    EXPECT_EQ(batch.count(OPTIM_ROOT_INDEFINITE), matrices.size());
    EXPECT_EQ(batch.count(OPTIM_ROOT_SKIPPED), 0u);
  }
}

TEST_P(LargeRoots, SingularMatricesOfAnyScale) {
  constexpr int n = 100;
  const Values zero(n * n, 0.0);
  Values ones = zero, identity = zero;
  std::fill(ones.begin(), ones.end(), 1.0);
  for (int i = 0; i < n; ++i) identity[static_cast<size_t>(i) * (n + 1)] = 2;
  Values quarter = spread(n, 10);
  std::fill(quarter.begin() + n / 4, quarter.end(), 0.0);
  const Values deficient = with_spectrum(6, quarter);
  std::vector<Values> matrices = {zero, ones, identity, deficient};
  for (const double scale : {1e-30, 1e30}) {
    Values scaled = deficient;
    for (double& value : scaled) value *= scale;
    matrices.push_back(rounded(scaled));
  }
  Batch batch(engine_, matrices, OPTIM_F32);
  const std::vector<Values> actual = batch.take(2, 1e-6), exact = expected(matrices, 2, 1e-6);
  for (size_t k = 0; k < matrices.size(); ++k) EXPECT_LE(relative(actual[k], exact[k]), 1e-2) << k;
  EXPECT_LE(relative(actual[0], exact[0]), 6e-8);
  EXPECT_LE(relative(actual[2], exact[2]), 6e-8);
  for (const Values& root : Batch(engine_, matrices, OPTIM_F32).take(2, 0)) EXPECT_TRUE(std::isfinite(norm(root)));
  EXPECT_EQ(batch.count(OPTIM_ROOT_SKIPPED) + batch.count(OPTIM_ROOT_INDEFINITE), 0u);
}

TEST_P(LargeRoots, MatricesWithoutARootLeaveTheRestAlone) {
  const Values good = with_spectrum(8, spread(70, 10)), fives(good.size(), 5.0);
  const Values zero(good.size(), 0.0);
  Values spoiled = good, infinite = good;
  spoiled[69] = std::numeric_limits<double>::quiet_NaN();
  infinite[70 * 70 - 1] = std::numeric_limits<double>::infinity();
  constexpr double ridge = 1e-30;  // of 0: 1e-46, whose inverse is beyond float
  Batch batch(engine_, {good, spoiled, infinite, zero, good}, OPTIM_F32);
  const std::vector<Values> actual = batch.take(1, ridge);
  EXPECT_EQ(batch.count(OPTIM_ROOT_SKIPPED), 3u);
  for (const size_t k : {1u, 2u, 3u}) EXPECT_EQ(actual[k], fives) << k;
  EXPECT_EQ(actual[0], actual[4]);
  EXPECT_LE(relative(actual[0], expected({good}, 1, ridge)[0]), 6e-8);
}

// In whatever batch, the same bits, and symmetric.
TEST_P(LargeRoots, DoNotDependOnTheBatch) {
  const Values first = with_spectrum(9, spread(129, 1e4)), second = with_spectrum(10, spread(66, 1e5));
  const Values small = with_spectrum(11, spread(5, 10));
  const std::vector<Values> together = Batch(engine_, {small, first, second, second}, OPTIM_F32).take(3, 1e-6);
  EXPECT_EQ(together[1], Batch(engine_, {first}, OPTIM_F32).take(3, 1e-6)[0]);
  EXPECT_EQ(together[2], Batch(engine_, {second}, OPTIM_F32).take(3, 1e-6)[0]);
  EXPECT_EQ(together[2], together[3]);
  EXPECT_LE(relative(together[0], expected({small}, 3, 1e-6)[0]), 6e-8);
  for (size_t i = 0; i < 129; ++i) {
    for (size_t j = 0; j < i; ++j) ASSERT_EQ(together[1][i * 129 + j], together[1][j * 129 + i]);
  }
}

}  // namespace
}  // namespace optim_test
