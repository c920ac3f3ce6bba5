// The functions of core/math.h against those of the C library in extended precision, and where they are not ordinary.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/math.h"
#include "numbers.h"

namespace optim_test {
namespace {

namespace math = optim::math;

// Distance in units of the last place of the expected value, which may be rounded to infinity.
template <class T>
double ulps(T actual, long double expected) {
  const T rounded = static_cast<T>(expected);
  if (std::isinf(rounded) || !std::isfinite(actual)) return actual == rounded ? 0 : INFINITY;
  const T size = std::fabs(rounded);
  const long double unit = static_cast<long double>(std::nextafter(size, std::numeric_limits<T>::infinity())) - size;
  return static_cast<double>(std::fabs(actual - expected) / unit);
}

template <class T>
class Math : public testing::Test {
 protected:
  static constexpr T infinity = std::numeric_limits<T>::infinity();
  static constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  static constexpr T smallest = std::numeric_limits<T>::denorm_min();
  static constexpr T largest = std::numeric_limits<T>::max();
  static constexpr int exponents = std::numeric_limits<T>::max_exponent;  // octaves on either side of 1

  // Random numbers of sizes between low and high and both signs, and the same scaled down by up to 2^octaves.
  template <class Test>
  static void expect_close(double bound, double low, double high, int octaves, const Test& ulps_at) {
    double worst = 0;
    T where = 0;
    int exponent = 0;
    for (const double value : random_values(17, 200000, low, high)) {
      const T x = std::ldexp(static_cast<T>(value), -exponent);
      exponent = octaves == 0 ? 0 : (exponent + 1) % octaves;
      const double error = ulps_at(x);
      if (error > worst) where = x;
      worst = std::fmax(worst, error);
    }
    EXPECT_LE(worst, bound) << "at " << where;
    EXPECT_GT(worst, 0.4) << "the rounding of the result itself is not seen";
  }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Math, Types, );

TYPED_TEST(Math, ExpIsAccurate) {
  using T = TypeParam;
  const auto error = [](T x) { return ulps(math::exp(x), std::exp(static_cast<long double>(x))); };
  this->expect_close(1.3, 0, 1, 0, error);
  // From below the subnormal numbers, which are 0, to infinity.
  const auto error_or_zero = [&](T x) {
    const bool small = std::exp(static_cast<long double>(x)) < 1.5L * std::numeric_limits<T>::min();
    return small && math::exp(x) == 0 ? 0 : error(x);
  };
  this->expect_close(1.3, 0, 0.72 * this->exponents, 0, error_or_zero);
  this->expect_close(1.3, 0.5, 1, 40, error);
}

TYPED_TEST(Math, ExpEndsWhereTheNumbersEnd) {
  using T = TypeParam;
  EXPECT_EQ(math::exp(std::log(std::numeric_limits<T>::min())), 0);
  EXPECT_EQ(math::exp(T(0)), 1);
  EXPECT_EQ(math::exp(-T(0)), 1);
  EXPECT_EQ(math::exp(this->smallest), 1);
  for (const T x : {this->infinity, this->largest}) {
    EXPECT_EQ(math::exp(x), this->infinity);
    EXPECT_EQ(math::exp(-x), 0);
  }
  EXPECT_TRUE(std::isnan(math::exp(this->nan)));
}

TYPED_TEST(Math, Log1pIsAccurate) {
  using T = TypeParam;
  const auto error = [](T x) {
    return ulps(math::log1p(std::fabs(x)), std::log1p(std::fabs(static_cast<long double>(x))));
  };
  this->expect_close(1.3, 0, 1, 0, error);
  this->expect_close(1.3, 0.5, 1, this->exponents - 2, error);
  EXPECT_EQ(math::log1p(T(0)), 0);
  EXPECT_EQ(math::log1p(this->smallest), this->smallest);
  EXPECT_LE(ulps(math::log1p(T(1)), std::log(2.0L)), 1);
  EXPECT_TRUE(std::isnan(math::log1p(this->nan)));
}

TYPED_TEST(Math, LogIsAccurate) {
  using T = TypeParam;
  for (int exponent = -30; exponent <= 30; ++exponent) {
    for (int i = 0; i < 1000; ++i) {
      const T x = std::ldexp(T(1) + T(i) / T(1000), exponent);
      const long double exact = std::log(static_cast<long double>(x));
      const auto error = std::fabs(static_cast<long double>(math::log(x)) - exact);
      EXPECT_LE(error, 3 * std::numeric_limits<T>::epsilon() * std::fmax(std::fabs(exact), 0.01L)) << x;
    }
  }
  EXPECT_EQ(math::log(T(1)), 0);
}

TYPED_TEST(Math, PowerIsAccurate) {
  using T = TypeParam;
  for (const double e : {1.0, 0.5, 0.25, 0.1}) {
    for (double x = 1e-30; x < 1e30; x *= 1.37) {
      const T exact = static_cast<T>(std::pow(static_cast<long double>(T(x)), static_cast<long double>(T(e))));
      EXPECT_NEAR(math::power(T(x), T(e)), exact, 100 * std::numeric_limits<T>::epsilon() * exact) << x;
    }
    EXPECT_EQ(math::power(T(0), T(e)), 0);
    EXPECT_TRUE(std::isnan(math::power(this->nan, T(e))));
    EXPECT_TRUE(std::isinf(math::power(std::numeric_limits<T>::infinity(), T(e))));
  }
}

TYPED_TEST(Math, SoftplusIsAccurate) {
  using T = TypeParam;
  for (const T beta : {T(50), T(1)}) {
    const auto error = [beta](T x) {
      const long double y = x, b = beta;
      return ulps(math::softplus(x, beta), std::fmax(y, 0.0L) + std::log1p(std::exp(-b * std::fabs(y))) / b);
    };
    this->expect_close(3, 0.5, 1, 30, [&](T x) { return error(std::fabs(x)); });
    this->expect_close(3.5, 0.5, 1, 30, [&](T x) {
      const T positive = std::fabs(x);
      const long double y = positive, b = beta;
      return ulps(math::softplus_of_positive(positive, beta), y + std::log1p(std::exp(-b * y)) / b);
    });
    // Below zero the exponential is most of it, and multiplies the error of its argument by the argument.
    this->expect_close(2.5, 0.5, 1, 30, [&](T x) { return error(-std::fabs(x)) / (1 + beta * std::fabs(x) / 2); });
  }
}

TYPED_TEST(Math, SoftplusIsItsMaximumFarFromZero) {
  using T = TypeParam;
  for (const T x : {T(10), this->largest, this->infinity}) {
    EXPECT_EQ(math::softplus(x, T(50)), x);
    EXPECT_EQ(math::softplus_of_positive(x, T(50)), x);
  }
  EXPECT_EQ(math::softplus(-this->largest, T(50)), 0);
  EXPECT_EQ(math::softplus(-this->infinity, T(50)), 0);
  EXPECT_TRUE(std::isnan(math::softplus(this->nan, T(50))));
  EXPECT_TRUE(std::isnan(math::softplus_of_positive(this->nan, T(50))));
  EXPECT_EQ(math::softplus_of_positive(T(1), this->infinity), 1);  // infinitely sharp
}

TYPED_TEST(Math, CbrtIsAccurate) {
  using T = TypeParam;
  const auto error = [](T x) { return ulps(math::cbrt(x), std::cbrt(static_cast<long double>(x))); };
  this->expect_close(1, 0.125, 1, 0, error);
  this->expect_close(1, 1, 2, this->exponents - 2, error);
  this->expect_close(1, 1, 2, this->exponents - 2, [&](T x) { return error(std::ldexp(x, this->exponents - 2)); });
  const int subnormal = this->exponents + std::numeric_limits<T>::digits - 4;
  this->expect_close(1, 1, 2, subnormal, error);
}

TYPED_TEST(Math, CbrtEndsWhereTheNumbersEnd) {
  using T = TypeParam;
  for (const T x : {T(0), T(1), T(8), this->infinity}) {
    EXPECT_EQ(math::cbrt(x), std::cbrt(x));
    EXPECT_EQ(math::cbrt(-x), -std::cbrt(x));
    EXPECT_EQ(std::signbit(math::cbrt(-x)), true);
  }
  for (const T x : {this->smallest, 3 * this->smallest, this->largest}) {
    EXPECT_LE(ulps(math::cbrt(x), std::cbrt(static_cast<long double>(x))), 1) << x;
  }
  EXPECT_TRUE(std::isnan(math::cbrt(this->nan)));
}

}  // namespace
}  // namespace optim_test
