// Batches of roots on the stand-in runtime: scratch memory that grows and stays, nothing that waits, want of memory.
#ifdef OPTIM_SIMT
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "list_functions.h"
#include "simt/control.h"

namespace optim_test {
namespace {

// Unit matrices times 4, whose inverse square roots are unit matrices by 2.
class Fours {
 public:
  Fours(Engine& engine, const std::vector<int64_t>& sizes)
      : engine_(engine), matrices_(engine, shapes(sizes), OPTIM_F32), roots_(engine, shapes(sizes), OPTIM_F32) {
    std::vector<Values> values;
    for (const int64_t n : sizes) {
      values.emplace_back(static_cast<size_t>(n * n), 0.0);
      for (int64_t i = 0; i < n; ++i) values.back()[static_cast<size_t>(i * n + i)] = 4;
    }
    matrices_.write(values);
  }

  optim_status take() {
    return optim_inverse_root(engine_, matrices_.count(), matrices_.views(), roots_.views(), 2, 0, nullptr);
  }
  optim_status iterate() {
    return optim_coupled_newton(engine_, matrices_.count(), matrices_.views(), roots_.views(), 2, 50, 1e-9, nullptr,
                                nullptr);
  }
  // The largest error of any root; empties them.
  double error() {
    double largest = 0;
    std::vector<Values> values = roots_.values();
    for (Values& root : values) {
      const auto n = static_cast<size_t>(std::llround(std::sqrt(static_cast<double>(root.size()))));
      for (size_t i = 0; i < root.size(); ++i) {
        largest = std::max(largest, std::abs(root[i] - (i % (n + 1) == 0 ? 0.5 : 0)));
        root[i] = 0;
      }
    }
    roots_.write(values);
    return largest;
  }

 private:
  static std::vector<Shape> shapes(const std::vector<int64_t>& sizes) {
    std::vector<Shape> result;
    for (const int64_t n : sizes) result.push_back({n, n});
    return result;
  }

  Engine& engine_;
  TensorList matrices_, roots_;
};

class SimtRoots : public testing::Test {
 protected:
  void SetUp() override { simt::set_multiprocessor_count(2); }
  void TearDown() override {
    simt::fail_next_allocation(0);
    simt::set_multiprocessor_count(4);
  }
};

TEST_F(SimtRoots, BatchesOnlyLaunchOnceTheirScratchMemoryHasGrown) {
  Engine engine(OPTIM_CUDA);
  Fours many(engine, {3, 17, 1, 9, 9, 2, 30}), few(engine, {5, 12}), large(engine, {40});
  for (const auto take : {&Fours::take, &Fours::iterate}) {
    check((many.*take)());
    EXPECT_LE(many.error(), 1e-6);
    const std::uint64_t allocations = simt::allocation_count();
    check((few.*take)());
    EXPECT_EQ(simt::allocation_count(), allocations);
    EXPECT_LE(few.error(), 1e-6);
    const std::uint64_t copies = simt::copy_count(), waits = simt::synchronization_count();
    check((few.*take)());
    EXPECT_EQ(simt::copy_count(), copies);
    EXPECT_EQ(simt::synchronization_count(), waits);
    EXPECT_LE(few.error(), 1e-6);
    check((large.*take)());
    EXPECT_LE(large.error(), 1e-6);
    check((many.*take)());
    EXPECT_LE(many.error(), 1e-6);
  }
}

TEST_F(SimtRoots, WantOfMemoryLeavesTheEngineUsable) {
  Engine engine(OPTIM_CUDA);
  Fours small(engine, {3}), large(engine, {4, 20, 6});
  check(small.take());
  int failures = 0;
  for (int n = 1; n < 10; ++n) {
    simt::fail_next_allocation(n);
    const optim_status status = large.take();
    simt::fail_next_allocation(0);
    if (status == OPTIM_OK) break;
    ++failures;
    EXPECT_EQ(status, OPTIM_OUT_OF_MEMORY);
    check(small.take());
    EXPECT_LE(small.error(), 1e-6);
  }
  EXPECT_GT(failures, 0);
  check(large.take());
  EXPECT_LE(large.error(), 1e-6);
}

}  // namespace
}  // namespace optim_test
#endif
