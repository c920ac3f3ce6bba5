// The tests' own codecs, on which all comparisons rest.
#include <gtest/gtest.h>

#include <cmath>

#include "numbers.h"
#include "optim/optim.h"

namespace optim_test {
namespace {

TEST(Numbers, EverySixteenBitPatternSurvives) {
  for (int32_t dtype : {OPTIM_F16, OPTIM_BF16}) {
    for (int bits = 0; bits < 65536; ++bits) {
      const Bytes bytes{static_cast<unsigned char>(bits & 255), static_cast<unsigned char>(bits >> 8)};
      const Values value = decode(dtype, bytes);
      if (std::isnan(value[0])) continue;  // one pattern stands for all of them
      ASSERT_EQ(encode(dtype, value), bytes) << dtype_name(dtype) << " " << bits << " " << value[0];
    }
  }
}

TEST(Numbers, RoundingGoesToNearestEven) {
  EXPECT_EQ(round_to(OPTIM_F16, 2049), 2048);  // ties
  EXPECT_EQ(round_to(OPTIM_F16, 2051), 2052);
  EXPECT_EQ(round_to(OPTIM_F16, 2049.001), 2050);
  EXPECT_EQ(round_to(OPTIM_F16, 65519.999), 65504);
  EXPECT_TRUE(std::isinf(round_to(OPTIM_F16, 65520)));
  EXPECT_EQ(round_to(OPTIM_F16, 0x1p-24), 0x1p-24);  // the smallest subnormal number
  EXPECT_EQ(round_to(OPTIM_F16, 0x1p-25), 0);
  EXPECT_EQ(round_to(OPTIM_F16, 0x1.8p-25), 0x1p-24);
  EXPECT_EQ(round_to(OPTIM_BF16, 1 + 0x1p-8), 1);
  EXPECT_EQ(round_to(OPTIM_BF16, 1 + 0x3p-8), 1 + 0x1p-6);
  EXPECT_EQ(round_to(OPTIM_BF16, -(1 + 0x1.1p-8)), -(1 + 0x1p-7));
  for (double value : random_values(1, 1000, 1e-3, 1e3)) {
    EXPECT_EQ(round_to(OPTIM_F32, value), static_cast<double>(static_cast<float>(value)));
    EXPECT_EQ(round_to(OPTIM_F64, value), value);
  }
}

TEST(Numbers, KnownPatterns) {
  EXPECT_EQ(encode(OPTIM_F16, {1, -2, 0.333251953125}), (Bytes{0x00, 0x3c, 0x00, 0xc0, 0x55, 0x35}));
  EXPECT_EQ(encode(OPTIM_BF16, {1, -2, 3.140625}), (Bytes{0x80, 0x3f, 0x00, 0xc0, 0x49, 0x40}));
}

TEST(Numbers, DistancesSeeWhatIsNotFinite) {
  EXPECT_EQ(distance({3, 0}, {0, 4}), 5);
  EXPECT_TRUE(std::isinf(distance({1}, {1, 2})));
  EXPECT_TRUE(std::isinf(distance({std::nan("")}, {1})));
  EXPECT_TRUE(std::isinf(distance({std::nan("")}, {std::nan("")})));
}

}  // namespace
}  // namespace optim_test
