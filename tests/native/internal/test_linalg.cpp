// Inverse roots of symmetric positive semidefinite matrices: golden ones, of matrices with a known spectrum, and of bad
// matrices.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "engine/cpu/roots.h"
#include "golden_file.h"

namespace optim_test {
namespace {

using namespace optim::linalg;

template <class T>
RootOutcome try_root(const std::vector<T>& a, std::vector<T>& result, const InverseRoot& options) {
  const int n = static_cast<int>(std::lround(std::sqrt(static_cast<double>(a.size()))));
  Values room(static_cast<size_t>(optim::cpu::eigen_numbers(n)));
  QlState state{};
  return inverse_root(SerialTeam(), n, a.data(), result.data(), options,
                      optim::cpu::eigen_workspace(n, room.data(), state));
}

template <class T>
bool take_root(const std::vector<T>& a, std::vector<T>& result, const InverseRoot& options) {
  return try_root(a, result, options) != RootOutcome::skipped;
}

// Reflections of the unit matrix: columns of an orthogonal matrix.
Values orthogonal(uint64_t seed, int n) {
  Values q(static_cast<size_t>(n) * n);
  for (int i = 0; i < n; ++i) q[static_cast<size_t>(i) * n + i] = 1;
  for (int round = 0; round < 3; ++round) {
    const Values v = random_values(seed + static_cast<uint64_t>(round), n);
    const double square = norm(v) * norm(v);
    for (int row = 0; row < n; ++row) {
      double product = 0;
      for (int i = 0; i < n; ++i) product += q[static_cast<size_t>(row) * n + i] * v[i];
      for (int i = 0; i < n; ++i) q[static_cast<size_t>(row) * n + i] -= 2 * product / square * v[i];
    }
  }
  return q;
}

// Q diag(f(lambda)) Q^T
Values matrix_function(const Values& q, const Values& lambda, const std::function<double(double)>& f) {
  const size_t n = lambda.size();
  Values scaled = q, result(n * n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < n; ++k) scaled[i * n + k] *= f(lambda[k]);
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t k = 0; k < n; ++k) result[i * n + j] += scaled[i * n + k] * q[j * n + k];
    }
  }
  return result;
}

Values log_spaced(int n, double condition) {
  Values lambda;
  for (int i = 0; i < n; ++i) lambda.push_back(n == 1 ? 1 : std::pow(condition, -static_cast<double>(i) / (n - 1)));
  return lambda;
}

// Section 14.4 of the specification.
double tolerance(int n, double condition) { return 1e-9 + 100 * n * 1.1e-16 * std::max(condition, 1e6); }

bool is_symmetric(const Values& a) {
  const auto n = static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(a.size()))));
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (a[i * n + j] != a[j * n + i]) return false;
    }
  }
  return true;
}

TEST(InverseRoot, GoldenMatrices) {
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden_directory() + "/roots")) {
    const GoldenFile file = read_golden(entry.path().string());
    if (file.optimizer != "matrix_inverse_root") continue;
    const auto n = file.hypers.at("n").get<int>();
    const auto compare = [&](const std::string& input, const std::string& output, InverseRoot options,
                             double condition) {
      if (!file.has(input)) return;
      for (const auto& root : file.hypers.at("p")) {
        options.root = root.get<double>();
        const std::string name = output + std::to_string(root.get<int>());
        if (!file.has(name)) continue;
        const Values& expected = file.at(name).values;
        Values actual(expected.size());
        ASSERT_TRUE(take_root(file.at(input).values, actual, options)) << file.name;
        EXPECT_LE(distance(actual, expected), tolerance(n, condition) * norm(expected)) << file.name << ' ' << name;
        ++compared;
      }
    };
    const double ridge = file.hypers.at("ridge_epsilon").get<double>();
    compare("in.A", "out.root", {0}, file.hypers.value("condition", 1.0));
    compare("in.A32", "out.ridge_root", {0, 0, ridge}, 1 / ridge);
  }
  EXPECT_GE(compared, 12 * 6 + 4 * 3);
}

struct KnownSpectrum {
  int n;
  double condition;
};

class InverseRootOf : public testing::TestWithParam<KnownSpectrum> {};

TEST_P(InverseRootOf, KnownSpectrum) {
  const auto [n, condition] = GetParam();
  const Values q = orthogonal(7, n), lambda = log_spaced(n, condition);
  const Values a = matrix_function(q, lambda, [](double x) { return x; });
  for (int p = 1; p <= 8; p += n < 200 ? 1 : 3) {
    const Values expected = matrix_function(q, lambda, [p](double x) { return std::pow(x, -1.0 / p); });
    Values actual(a.size());
    ASSERT_TRUE(take_root(a, actual, {static_cast<double>(p)}));
    EXPECT_LE(distance(actual, expected), tolerance(n, condition) * norm(expected)) << "p = " << p;
    EXPECT_TRUE(is_symmetric(actual)) << "p = " << p;
  }
}

INSTANTIATE_TEST_SUITE_P(Native, InverseRootOf,
                         testing::Values(KnownSpectrum{1, 1}, KnownSpectrum{2, 1e4}, KnownSpectrum{3, 1},
                                         KnownSpectrum{8, 1e6}, KnownSpectrum{33, 1e8}, KnownSpectrum{65, 1e10},
                                         KnownSpectrum{130, 1e4}, KnownSpectrum{256, 1e6}),
                         [](const auto& made) { return "n" + std::to_string(made.param.n); });

TEST(InverseRoot, ScalesAsThePower) {
  const Values q = orthogonal(3, 9), lambda = log_spaced(9, 100);
  for (const double scale : {1e-30, 1e-150, 1e20, 1e150, 1e300}) {
    const Values a = matrix_function(q, lambda, [scale](double x) { return scale * x; });
    const double floor = scale * 1e-12;
    for (const double p : {2.0, 4.0}) {
      const Values expected = matrix_function(q, lambda, [=](double x) { return std::pow(scale * x, -1 / p); });
      Values actual(a.size());
      ASSERT_TRUE(take_root(a, actual, {p, floor})) << scale;
      EXPECT_LE(distance(actual, expected), 1e-12 * norm(expected)) << scale;
    }
  }
}

TEST(InverseRoot, SmallEigenvaluesAreRaisedToTheFloor) {
  for (const int rank : {0, 1, 5, 100}) {
    const int n = 200;
    const Values q = orthogonal(11, n);
    Values lambda(n, 0.0);
    for (int i = 0; i < rank; ++i) lambda[static_cast<size_t>(i)] = 50.0 / (i + 1);
    const Values a = matrix_function(q, lambda, [](double x) { return x; });
    const Values expected = matrix_function(q, lambda, [](double x) { return 1 / std::sqrt(std::max(x, 1e-4)); });
    Values actual(a.size());
    ASSERT_TRUE(take_root(a, actual, {2, 1e-4})) << rank;
    EXPECT_LE(distance(actual, expected), 1e-10 * norm(expected)) << rank;
  }
}

TEST(InverseRoot, WithoutFloorSingularMatricesStayFinite) {
  Values zero(49, 0.0), ones(49, 1.0), actual(49);
  ASSERT_TRUE(take_root(zero, actual, {2}));
  EXPECT_LT(norm(actual), 1e20);
  ASSERT_TRUE(take_root(ones, actual, {4}));
  EXPECT_LT(norm(actual), 1e5);
  // The direction of ones has eigenvalue 7.
  double quadratic = 0;
  for (const double x : actual) quadratic += x / 7;
  EXPECT_NEAR(quadratic, std::pow(7.0, -0.25), 1e-9);
}

TEST(InverseRoot, NegativeEigenvaluesAreRaisedToo) {
  const Values a = {1, 0, 0, -3};
  Values actual(4);
  EXPECT_EQ(try_root(a, actual, {2, 0.25}), RootOutcome::indefinite);
  EXPECT_LE(distance(actual, {1, 0, 0, 2}), 1e-15);
}

// Not those that come of rounding a semidefinite matrix.
TEST(InverseRoot, RoundedMatricesAreNotIndefinite) {
  const int n = 40;
  Values lambda(n, 0.0);
  lambda[0] = 3;
  for (const uint64_t seed : {1u, 2u, 3u}) {
    const Values a = matrix_function(orthogonal(seed, n), lambda, [](double x) { return x; });
    std::vector<float> rounded(a.begin(), a.end()), in_float(a.size());
    EXPECT_EQ(try_root(rounded, in_float, {2, 1e-3}), RootOutcome::taken);
    Values in_double(a.size());
    EXPECT_EQ(try_root(Values(rounded.begin(), rounded.end()), in_double, {2, 1e-3}), RootOutcome::indefinite);
  }
}

TEST(InverseRoot, TakesTheSymmetricPart) {
  Values actual(4), expected(4);
  ASSERT_TRUE(take_root<double>({4, 0.25, 0.75, 2}, actual, {2}));
  ASSERT_TRUE(take_root<double>({4, 0.5, 0.5, 2}, expected, {2}));
  EXPECT_EQ(actual, expected);
}

TEST(InverseRoot, MayReplaceItsSource) {
  const Values q = orthogonal(5, 20);
  Values a = matrix_function(q, log_spaced(20, 1000), [](double x) { return x; }), expected(a.size());
  ASSERT_TRUE(take_root(a, expected, {2}));
  ASSERT_TRUE(take_root(a, a, {2}));
  EXPECT_EQ(a, expected);
}

TEST(InverseRoot, FloatStorageRoundsTheDoubleResult) {
  const Values q = orthogonal(5, 20);
  const Values a = round_to(OPTIM_F32, matrix_function(q, log_spaced(20, 1000), [](double x) { return x; }));
  Values in_double(a.size());
  ASSERT_TRUE(take_root(a, in_double, {4}));
  std::vector<float> in_float(a.size());
  ASSERT_TRUE(take_root(std::vector<float>(a.begin(), a.end()), in_float, {4}));
  EXPECT_EQ(Values(in_float.begin(), in_float.end()), round_to(OPTIM_F32, in_double));
}

TEST(InverseRoot, LeavesTheResultWhereThereIsNone) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, infinity, -infinity}) {
    for (const size_t at : {0u, 1u, 3u, 8u}) {
      Values a = {2, 0, 0, 0, 2, 0, 0, 0, 2}, result(9, 5.0);
      a[at] = bad;
      EXPECT_FALSE(take_root(a, result, {2})) << bad << " at " << at;
      EXPECT_EQ(result, Values(9, 5.0));
    }
  }
  // 1e-45 to the power -1 is beyond float.
  std::vector<float> tiny = {1e-45f}, result = {5};
  EXPECT_FALSE(take_root(tiny, result, {1, 1e-45}));
  EXPECT_EQ(result[0], 5);
  EXPECT_TRUE(take_root(tiny, result, {2, 1e-45}));
  EXPECT_GT(result[0], 1e22f);
}

}  // namespace
}  // namespace optim_test
