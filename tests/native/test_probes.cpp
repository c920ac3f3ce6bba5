// Rademacher probes: the numbers that the header promises, and their statistics.
#include <gtest/gtest.h>

#include <cmath>

#include "list_functions.h"
#include "misuse.h"

namespace optim_test {
namespace {

class Probes : public PerDevice {
 protected:
  std::vector<Values> probes(const std::vector<Shape>& shapes, uint64_t seed, uint64_t offset,
                             int32_t dtype = OPTIM_F32, int64_t misaligned = 0) {
    TensorList tensors(engine_, shapes, dtype, misaligned);
    check(optim_rademacher(engine_, tensors.count(), tensors.views(), seed, offset));
    for (size_t i = 0; i < shapes.size(); ++i) EXPECT_TRUE(tensors[i].guards_intact());
    return tensors.values();
  }

  Engine engine_{GetParam()};
};

// The signs are the bits of Philox4x32-10 with key 0 and counter 0, whose known answer its authors give (Random123).
TEST_P(Probes, KnownBits) {
  const uint32_t words[] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  const Values found = probes({{128}}, 0, 0)[0];
  for (size_t i = 0; i < 128; ++i) EXPECT_EQ(found[i], (words[i / 32] >> (i % 32) & 1u) != 0 ? -1 : 1) << i;
}

TEST_P(Probes, TensorsAreLaidEndToEndInEveryDtype) {
  const std::vector<Shape> shapes{{}, {7}, {0}, {5, 3}, {3, 4999}, {9001}, {2, 3, 2, 2, 2}};
  int64_t total = 0;
  for (const Shape& shape : shapes) total += numel(shape);
  Engine cpu(OPTIM_CPU, 1);
  TensorList whole(cpu, {{total}}, OPTIM_F64);
  check(optim_rademacher(cpu, 1, whole.views(), 0x123456789abcdefu, uint64_t{1} << 40));
  const Values expected = whole[0].values();
  for (int32_t dtype : kAllDtypes) {
    for (int64_t misaligned : {0, 1}) {
      Values found;
      for (const Values& part : probes(shapes, 0x123456789abcdefu, uint64_t{1} << 40, dtype, misaligned)) {
        found.insert(found.end(), part.begin(), part.end());
      }
      EXPECT_EQ(found, expected) << dtype_name(dtype);
    }
  }
}

TEST_P(Probes, ThreadsDoNotMatter) {
  if (GetParam() != OPTIM_CPU) return;
  const std::vector<Values> expected = probes({{50000}, {333}}, 5, 6);
  for (int32_t threads : {1, 2, 3, 8}) {
    Engine engine(OPTIM_CPU, threads);
    TensorList tensors(engine, {{50000}, {333}}, OPTIM_F32);
    check(optim_rademacher(engine, 2, tensors.views(), 5, 6));
    EXPECT_EQ(tensors.values(), expected) << threads << " threads";
  }
}

// Means and correlations are within 5 standard deviations of those of a fair coin.
TEST_P(Probes, AreFairAndIndependent) {
  const int64_t count = 1 << 16;
  const double bound = 5 / std::sqrt(static_cast<double>(count));
  const auto correlation = [](const Values& a, const Values& b, size_t lag) {
    double sum = 0;
    for (size_t i = lag; i < a.size(); ++i) sum += a[i] * b[i - lag];
    return std::fabs(sum) / static_cast<double>(a.size());
  };
  const Values ones(static_cast<size_t>(count), 1.0);
  std::vector<Values> all;
  for (uint64_t seed : {0u, 1u}) {
    for (uint64_t offset : {0u, 1u, 2u}) all.push_back(probes({{count}}, seed, offset)[0]);
  }
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_LE(correlation(all[i], ones, 0), bound) << "mean of probe " << i;
    for (size_t lag : {1u, 2u, 31u, 32u, 33u, 127u, 128u, 4096u}) {
      EXPECT_LE(correlation(all[i], all[i], lag), bound) << "probe " << i << ", lag " << lag;
    }
    for (size_t j = 0; j < i; ++j) EXPECT_LE(correlation(all[i], all[j], 0), bound) << "probes " << i << " and " << j;
  }
}

TEST_P(Probes, Misuse) {
  TensorList tensors(engine_, {{4, 3}, {6}}, OPTIM_F32);
  const std::vector<Bytes> before = tensors.bytes();
  EXPECT_TRUE(refused(optim_rademacher(nullptr, 2, tensors.views(), 0, 0), {"engine"}));
  EXPECT_TRUE(refused(optim_rademacher(engine_, 2, nullptr, 0, 0), {"tensors", "NULL"}));
  EXPECT_TRUE(refused(optim_rademacher(engine_, -1, tensors.views(), 0, 0), {"count", "-1"}));
  const auto expect_refused = [&](const std::function<void(optim_tensor&)>& spoil,
                                  const std::vector<std::string>& words) {
    const optim_tensor good = tensors.view(1);
    spoil(tensors.view(1));
    EXPECT_TRUE(refused(optim_rademacher(engine_, 2, tensors.views(), 0, 0), words));
    tensors.view(1) = good;
  };
  expect_refused([](optim_tensor& t) { t.data = nullptr; }, {"tensors[1]", "NULL"});
  expect_refused([](optim_tensor& t) { t.dtype = 5; }, {"tensors[1]", "dtype", "5"});
  expect_refused([](optim_tensor& t) { t.data = static_cast<char*>(t.data) + 2; }, {"tensors[1]", "align"});
  expect_refused([&](optim_tensor& t) { t.data = tensors.view(0).data; }, {"overlap"});
  check(optim_rademacher(engine_, 0, nullptr, 0, 0));
  EXPECT_EQ(tensors.bytes(), before);
}

OPTIM_TEST_PER_DEVICE(Probes);

}  // namespace
}  // namespace optim_test
