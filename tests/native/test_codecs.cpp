// The library's 16-bit storage formats, to the bit: every pattern survives being read and written, and what is narrowed
// goes to the nearest number, ties to even.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "session.h"

namespace optim_test {
namespace {

Values all_patterns(int32_t dtype) {
  Bytes bytes;
  for (int bits = 0; bits < 65536; ++bits) {
    bytes.push_back(static_cast<unsigned char>(bits & 255));
    bytes.push_back(static_cast<unsigned char>(bits >> 8));
  }
  return decode(dtype, bytes);
}

class Codecs : public PerDevice {
 protected:
  Engine engine_{GetParam()};
};

TEST_P(Codecs, EveryFinitePatternSurvivesAStep) {
  for (int32_t dtype : {OPTIM_F16, OPTIM_BF16}) {
    Values finite;
    for (double value : all_patterns(dtype)) {
      if (std::isfinite(value)) finite.push_back(value);
    }
    Buffer grads(engine_, dtype, static_cast<int64_t>(finite.size()));
    grads.write(finite);
    const optim_tensor view = tensor_view({grads.count()}, dtype, grads.data());
    check(optim_clip_grad_value(engine_, 1, &view, std::numeric_limits<float>::max()));
    EXPECT_EQ(grads.values(), finite) << dtype_name(dtype);
  }
}

// Division by a power of two is exact, so all rounding is that of storage; in f16 it ends among the subnormal numbers.
TEST_P(Codecs, StepsRoundToNearestEven) {
  Buffer scale(engine_, OPTIM_F32, 1), found_inf(engine_, OPTIM_F32, 1);
  scale.write(Values{2048});
  Values values;
  for (double value : all_patterns(OPTIM_F16)) {
    if (std::isfinite(value)) values.push_back(value);
  }
  Buffer grads(engine_, OPTIM_F16, static_cast<int64_t>(values.size()));
  grads.write(values);
  const optim_tensor view = tensor_view({grads.count()}, OPTIM_F16, grads.data());
  check(
      optim_unscale(engine_, 1, &view, static_cast<const float*>(scale.data()), static_cast<float*>(found_inf.data())));
  for (double& value : values) value = round_to(OPTIM_F16, value / 2048);
  EXPECT_EQ(grads.values(), values);
}

// Slow weights begin as the parameters, in the type of the states.
TEST_P(Codecs, NarrowingOfFloats) {
  for (int32_t narrow : {OPTIM_F16, OPTIM_BF16}) {
    Values values;
    for (double value : all_patterns(narrow)) {
      if (!std::isfinite(value)) continue;
      // The number, its neighbours in f32, and the middle between it and the next in the narrow type, with neighbours.
      const float f = static_cast<float>(value);
      const float middle = static_cast<float>(value + std::ldexp(std::fabs(value), narrow == OPTIM_F16 ? -11 : -8) / 2);
      for (float x : {f, middle}) {
        for (float y : {x, std::nextafter(x, 1e38f), std::nextafter(x, -1e38f)}) values.push_back(y);
      }
    }
    for (double value : {65504.0, 65519.0, 65520.0, 1e30, 3.3895314e38, 3.4028235e38, 1e-40}) {
      values.push_back(static_cast<float>(value));
      values.push_back(static_cast<float>(-value));
    }
    PlanSpec spec{rules().front().name, {{{static_cast<int64_t>(values.size())}}}, {rules().front().defaults()}};
    spec.state = narrow;
    spec.helpers.lookahead_k = 2;
    spec.helpers.lookahead_alpha = 0.5;
    Session session(engine_, spec);
    session.set_param(0, values);
    session.init();
    const Values slow = session.state(0, static_cast<size_t>(session.slot(0, "slow_params")));
    const Values expected = round_to(narrow, values);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(slow[i], expected[i]) << dtype_name(narrow) << " of " << values[i];
    }
  }
}

TEST_P(Codecs, WhatIsNotANumberStaysSo) {
  for (int32_t dtype : {OPTIM_F16, OPTIM_BF16}) {
    Bytes bytes;
    int64_t count = 0;
    for (int bits = 0; bits < 65536; ++bits) {
      const Bytes pattern{static_cast<unsigned char>(bits & 255), static_cast<unsigned char>(bits >> 8)};
      if (!std::isnan(decode(dtype, pattern)[0])) continue;
      bytes.insert(bytes.end(), pattern.begin(), pattern.end());
      ++count;
    }
    Buffer grads(engine_, dtype, count);
    grads.write(bytes);
    const optim_tensor view = tensor_view({count}, dtype, grads.data());
    check(optim_clip_grad_value(engine_, 1, &view, 1));
    for (double value : grads.values()) ASSERT_TRUE(std::isnan(value)) << dtype_name(dtype);
  }
}

OPTIM_TEST_PER_DEVICE(Codecs);

}  // namespace
}  // namespace optim_test
