// Tests of the stand-in itself: that it runs what a device would run, and that it notices what a device would not
// forgive.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/cuda/launch.h"

namespace {

using optim::cuda::launch;

class Simt : public ::testing::Test {
 protected:
  void SetUp() override { allocations_before_ = simt::live_allocations(); }
  void TearDown() override {
    simt::reset_error();
    simt::set_order("forward");
    simt::fail_next_allocation(0);
    EXPECT_EQ(simt::live_allocations(), allocations_before_);
  }

 private:
  std::size_t allocations_before_ = 0;
};

// Device memory that a test fills from and reads back into a vector.
template <class T>
class device_array {
 public:
  explicit device_array(std::size_t count) : count_(count) {
    EXPECT_EQ(cudaMalloc(&data_, count * sizeof(T)), cudaSuccess);
  }
  explicit device_array(const std::vector<T>& values) : device_array(values.size()) {
    EXPECT_EQ(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
  }
  ~device_array() {
    simt::reset_error();
    EXPECT_EQ(cudaFree(data_), cudaSuccess);
  }
  device_array(const device_array&) = delete;
  device_array& operator=(const device_array&) = delete;

  T* get() const { return data_; }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    EXPECT_EQ(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

std::vector<float> iota(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

__global__ void add_one(float* values, std::size_t count) {
  const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) values[i] += 1.0f;
}

template <class T>
__device__ T block_sum(T value) {
  OPTIM_SHARED(partial, T[32]);
  for (unsigned int delta = 16; delta > 0; delta /= 2) value += __shfl_down_sync(0xffffffffu, value, delta);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  T total = 0;
  for (unsigned int warp = 0; warp < blockDim.x / 32; ++warp) total += partial[warp];
  __syncthreads();
  return total;
}

template <class T>
__global__ void __launch_bounds__(256) sum_blocks(const T* values, T* sums) {
  const T sum = block_sum(values[blockIdx.x * blockDim.x + threadIdx.x]);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

TEST_F(Simt, ReducesBlocksThroughShuffleAndSharedMemory) {
  const device_array<float> values(iota(1024));
  const device_array<float> sums(4);
  ASSERT_EQ(launch(nullptr, sum_blocks<float>, 4, 256, 0, values.get(), sums.get()), cudaSuccess);
  EXPECT_EQ(sums.read(), (std::vector<float>{32896, 98432, 163968, 229504}));
}

TEST_F(Simt, ReducesDoublesWithShufflesOfEightBytes) {
  const device_array<double> values(std::vector<double>(256, 1.0 / 3));
  const device_array<double> sums(1);
  ASSERT_EQ(launch(nullptr, sum_blocks<double>, 1, 256, 0, values.get(), sums.get()), cudaSuccess);
  EXPECT_NEAR(sums.read()[0], 256.0 / 3, 1e-12);
}

__global__ void reverse_in_dynamic_memory(float* values) {
  OPTIM_DYNAMIC_SHARED(staged, float);
  staged[threadIdx.x] = values[threadIdx.x];
  __syncthreads();
  values[threadIdx.x] = staged[blockDim.x - 1 - threadIdx.x];
}

TEST_F(Simt, SharesDynamicMemory) {
  const device_array<float> values(iota(96));
  ASSERT_EQ(launch(nullptr, reverse_in_dynamic_memory, 1, 96, 96 * sizeof(float), values.get()), cudaSuccess);
  const std::vector<float> reversed = values.read();
  for (std::size_t i = 0; i < 96; ++i) EXPECT_EQ(reversed[i], 96.0f - static_cast<float>(i));
}

__global__ void read_shared_before_writing(float* seen) {
  OPTIM_DYNAMIC_SHARED(dynamic, float);
  OPTIM_SHARED(fixed, float);
  if (threadIdx.x == 0) {
    seen[2 * blockIdx.x] = dynamic[0];
    seen[2 * blockIdx.x + 1] = fixed;
    dynamic[0] = fixed = 1;
  }
}

TEST_F(Simt, GivesEveryBlockGarbageInSharedMemory) {
  const device_array<float> seen(std::vector<float>(6, 0.0f));
  ASSERT_EQ(launch(nullptr, read_shared_before_writing, 3, 1, sizeof(float), seen.get()), cudaSuccess);
  for (const float value : seen.read()) EXPECT_TRUE(std::isnan(value));
}

TEST_F(Simt, FillsFreshDeviceMemoryWithNaN) {
  const device_array<double> fresh(5);
  for (const double value : fresh.read()) EXPECT_TRUE(std::isnan(value));
}

__global__ void shuffle_kinds(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[0 * 32 + lane] = __shfl_sync(0xffffffffu, lane, 5);
  out[1 * 32 + lane] = __shfl_sync(0xffffffffu, lane, 9, 8);
  out[2 * 32 + lane] = __shfl_up_sync(0xffffffffu, lane, 3u);
  out[3 * 32 + lane] = __shfl_down_sync(0xffffffffu, lane, 3u, 16);
  out[4 * 32 + lane] = __shfl_xor_sync(0xffffffffu, lane, 7);
  out[5 * 32 + lane] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 2));
  out[6 * 32 + lane] = __any_sync(0xffffffffu, lane == 31) * 2 + __all_sync(0xffffffffu, lane == 31);
  const unsigned int half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  out[7 * 32 + lane] = lane < 16 ? __shfl_sync(half, lane, 15) : __shfl_xor_sync(half, lane, 1);
}

TEST_F(Simt, ShufflesAsThePtxManualSays) {
  const device_array<int> out(8 * 32);
  ASSERT_EQ(launch(nullptr, shuffle_kinds, 1, 32, 0, out.get()), cudaSuccess);
  const std::vector<int> got = out.read();
  for (int lane = 0; lane < 32; ++lane) {
    const auto row = [&](int kind) { return got[static_cast<std::size_t>(kind * 32 + lane)]; };
    EXPECT_EQ(row(0), 5);
    EXPECT_EQ(row(1), lane / 8 * 8 + 1);
    EXPECT_EQ(row(2), lane < 3 ? lane : lane - 3);
    EXPECT_EQ(row(3), lane % 16 + 3 > 15 ? lane : lane + 3);
    EXPECT_EQ(row(4), lane ^ 7);
    EXPECT_EQ(static_cast<unsigned int>(row(5)), 0xaaaaaaaau);
    EXPECT_EQ(row(6), 2);
    EXPECT_EQ(row(7), lane < 16 ? 15 : lane ^ 1);
  }
}

__global__ void barrier_votes(int* out) {
  const int count = __syncthreads_count(threadIdx.x < 7);
  const int any = __syncthreads_or(threadIdx.x == 63);
  const int all = __syncthreads_and(threadIdx.x != 63);
  out[threadIdx.x] = count * 100 + any * 10 + all;
}

TEST_F(Simt, VotesAtTheBarrier) {
  const device_array<int> out(64);
  ASSERT_EQ(launch(nullptr, barrier_votes, 1, 64, 0, out.get()), cudaSuccess);
  EXPECT_EQ(out.read(), std::vector<int>(64, 710));
}

// Every block leaves a partial result; the one that arrives last adds them in block order and resets the counter.
__global__ void sum_with_last_block(const float* values, float* partials, unsigned int* arrived, float* total) {
  const float sum = block_sum(values[blockIdx.x * blockDim.x + threadIdx.x]);
  OPTIM_SHARED(is_last, bool);
  if (threadIdx.x == 0) {
    partials[blockIdx.x] = sum;
    __threadfence();
    is_last = atomicAdd(arrived, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (is_last && threadIdx.x == 0) {
    *total = 0;
    for (unsigned int block = 0; block < gridDim.x; ++block) *total += __ldcg(partials + block);
    *arrived = 0;
  }
}

TEST_F(Simt, FinishesInTheLastBlockInAnyOrder) {
  std::vector<float> input(7 * 64);
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = 1.0f / static_cast<float>(i + 1);
  const device_array<float> values(input);
  const device_array<float> partials(7), total(1);
  const device_array<unsigned int> arrived(std::vector<unsigned int>{0});
  std::set<float> totals;
  for (const char* order : {"forward", "reverse", "shuffle:1", "shuffle:2"}) {
    simt::set_order(order);
    ASSERT_EQ(launch(nullptr, sum_with_last_block, 7, 64, 0, values.get(), partials.get(), arrived.get(), total.get()),
              cudaSuccess);
    totals.insert(total.read()[0]);
  }
  EXPECT_EQ(totals.size(), 1u);
  EXPECT_EQ(arrived.read()[0], 0u);
}

__global__ void race(unsigned int* last_writer) {
  OPTIM_SHARED(slot, unsigned int);
  slot = threadIdx.x;
  __syncthreads();
  *last_writer = slot * gridDim.x + blockIdx.x;
}

TEST_F(Simt, OrderShowsRaces) {
  const device_array<unsigned int> last_writer(1);
  std::set<unsigned int> seen;
  for (const char* order : {"forward", "reverse", "shuffle:1", "shuffle:2", "shuffle:3"}) {
    simt::set_order(order);
    ASSERT_EQ(launch(nullptr, race, 8, 64, 0, last_writer.get()), cudaSuccess);
    seen.insert(last_writer.read()[0]);
  }
  EXPECT_GE(seen.size(), 3u);
  EXPECT_TRUE(seen.count(63 * 8 + 7));  // forward: the last thread of the last block
  EXPECT_TRUE(seen.count(0));           // reverse
}

TEST_F(Simt, RefusesAnUnknownOrder) {
  EXPECT_THROW(simt::set_order("random"), std::invalid_argument);
  EXPECT_THROW(simt::set_order("shuffle:"), std::invalid_argument);
  EXPECT_THROW(simt::set_order("shuffle:7x"), std::invalid_argument);
}

__global__ void three_dimensions(unsigned int* out) {
  const unsigned int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000 + thread;
}

TEST_F(Simt, NumbersThreadsAndBlocksInThreeDimensions) {
  const device_array<unsigned int> out(24 * 24);
  ASSERT_EQ(launch(nullptr, three_dimensions, dim3(2, 3, 4), dim3(4, 3, 2), 0, out.get()), cudaSuccess);
  const std::vector<unsigned int> got = out.read();
  for (unsigned int i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], i / 24 * 1000 + i % 24);
}

// Kernels that go wrong. Each must end with a launch failure and a message that says where.
__global__ void leave_early(float* values) {
  if (threadIdx.x < 16) return;
  __syncthreads();
  values[threadIdx.x] = 1;
}
__global__ void leave_late(float* values) {
  if (threadIdx.x >= 16) return;
  __syncthreads();
  values[threadIdx.x] = 2;
}
__global__ void two_barriers() {
  if (threadIdx.x == 3) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void lane_left_out() {
  if (threadIdx.x != 9) __syncwarp();
}
__global__ void barrier_against_shuffle() {
  if (threadIdx.x < 8) {
    __syncthreads();
  } else {
    __shfl_sync(0xffffffffu, 1, 0);
  }
}
__global__ void not_in_mask() { __syncwarp(0xfffffffeu); }
__global__ void reads_outside_mask() {
  if (threadIdx.x < 8) __shfl_sync(0xffu, 1, 8);
}
__global__ void different_masks() {
  if (threadIdx.x < 2) __syncwarp(threadIdx.x == 0 ? 0x3u : 0x7u);
}
__global__ void crossing_masks() {
  const unsigned int masks[] = {0x3u, 0x6u, 0x7u};
  if (threadIdx.x < 3) __syncwarp(masks[threadIdx.x]);
}
__global__ void different_operations() {
  if (threadIdx.x == 0) {
    __syncwarp(0x3u);
  } else if (threadIdx.x == 1) {
    __ballot_sync(0x3u, 1);
  }
}
__global__ void traps() {
  if (threadIdx.x == 1) __trap();
}
__global__ void too_much_shared() {
  OPTIM_SHARED(large, char[48 * 1024]);
  OPTIM_SHARED(more, char);
  large[0] = more = 0;
}

struct failure {
  const char* name;
  void (*kernel)();
  const char* message;
};

class SimtFailure : public ::testing::TestWithParam<failure> {
 protected:
  void TearDown() override { simt::reset_error(); }
};

TEST_P(SimtFailure, IsReportedAndSticks) {
  testing::internal::CaptureStderr();
  ASSERT_EQ(launch(nullptr, GetParam().kernel, 2, 64, 0), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  const std::string message = testing::internal::GetCapturedStderr();
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << message;
  EXPECT_NE(message.find("block (0,0,0)"), std::string::npos) << message;
  EXPECT_NE(message.find("test_simt.cpp:"), std::string::npos) << message;

  float* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, 4), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, SimtFailure,
    ::testing::Values(failure{"TwoBarriers", two_barriers, "waits at the barrier"},
                      failure{"LaneLeftOut", lane_left_out, "still missing lanes 0x00000200"},
                      failure{"BarrierAgainstShuffle", barrier_against_shuffle, "still missing lanes 0x000000ff"},
                      failure{"NotInMask", not_in_mask, "does not name the calling lane"},
                      failure{"ReadsOutsideMask", reads_outside_mask, "reads lane 8"},
                      failure{"DifferentMasks", different_masks, "mask 0x00000003, still missing lanes 0x00000002"},
                      failure{"CrossingMasks", crossing_masks,
                              "names lane 0, which waits in __syncwarp with mask 0x00000003"},
                      failure{"DifferentOperations", different_operations, "names lane 0, which waits in __syncwarp"},
                      failure{"Trap", traps, "thread (1,0,0)"}),
    [](const auto& info) { return info.param.name; });

TEST_F(Simt, RunsOnAfterAFailureThatWasReset) {
  testing::internal::CaptureStderr();
  ASSERT_EQ(launch(nullptr, two_barriers, 1, 64, 0), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  testing::internal::GetCapturedStderr();
  simt::reset_error();
  const device_array<float> values(iota(256));
  const device_array<float> sums(1);
  ASSERT_EQ(launch(nullptr, sum_blocks<float>, 1, 256, 0, values.get(), sums.get()), cudaSuccess);
  EXPECT_EQ(sums.read()[0], 32896);
}

TEST_F(Simt, LimitsSharedVariables) {
  testing::internal::CaptureStderr();
  ASSERT_EQ(launch(nullptr, too_much_shared, 1, 1, 0), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("shared variables of 49153 bytes"), std::string::npos);
}

TEST_F(Simt, WaitsNoLongerForThreadsThatHaveExited) {
  const device_array<float> values(iota(32));
  ASSERT_EQ(launch(nullptr, leave_early, 1, 32, 0, values.get()), cudaSuccess);
  EXPECT_EQ(values.read()[31], 1);
  EXPECT_EQ(values.read()[15], 16);
  ASSERT_EQ(launch(nullptr, leave_late, 1, 32, 0, values.get()), cudaSuccess);
  EXPECT_EQ(values.read()[0], 2);
  EXPECT_EQ(values.read()[16], 1);
}

TEST_F(Simt, RefusesLaunchesTheDeviceCannotTake) {
  float* none = nullptr;
  const auto refused = [&](dim3 grid, dim3 block, std::size_t shared) {
    return launch(nullptr, add_one, grid, block, shared, none, std::size_t{0});
  };
  EXPECT_EQ(refused(0, 32, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(refused(1, 1025, 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(refused(1, dim3(1, 1, 65), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(refused(dim3(1, 65536), 1, 0), cudaErrorInvalidConfiguration);
  const auto refused_without_asking = [&](std::size_t shared) {
    return simt::launch(
        1, 32, shared, nullptr, [] {}, reinterpret_cast<const void*>(add_one));
  };
  EXPECT_EQ(refused_without_asking(48 * 1024 + 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(refused(1, 32, 227 * 1024), cudaSuccess);
  EXPECT_EQ(refused_without_asking(48 * 1024 + 1), cudaSuccess) << "the launch before asked for more";
  EXPECT_EQ(refused(1, 32, 227 * 1024 + 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

TEST_F(Simt, ConvertsArgumentsToTheKernelsParameterTypes) {
  const device_array<float> values(iota(4));
  ASSERT_EQ(launch(nullptr, add_one, 1, 32, 0, values.get(), 3), cudaSuccess);  // an int for a size_t
  EXPECT_EQ(values.read(), (std::vector<float>{2, 3, 4, 4}));
}

TEST_F(Simt, SmallPiecesOfDeviceCode) {
  int word = 5;
  EXPECT_EQ(atomicMax(&word, 9), 5);
  EXPECT_EQ(atomicExch(&word, 2), 9);
  EXPECT_EQ(atomicCAS(&word, 2, 4), 2);
  EXPECT_EQ(atomicCAS(&word, 2, 6), 4);
  EXPECT_EQ(word, 4);
  unsigned long long wide = ~0ull;
  EXPECT_EQ(atomicAdd(&wide, 2ull), ~0ull);
  EXPECT_EQ(wide, 1u);
  EXPECT_EQ(__popc(0xf0f0u), 8);
  EXPECT_EQ(__ffs(0x10), 5);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(__clz(0), 32);
  EXPECT_EQ(__umulhi(0x80000000u, 6u), 3u);
  EXPECT_EQ(__float_as_uint(1.0f), 0x3f800000u);
  EXPECT_EQ(__longlong_as_double(__double_as_longlong(-2.5)), -2.5);
  EXPECT_EQ(min(-1, 2), -1);
  EXPECT_EQ(max(1.0f, std::nanf("")), 1.0f);
  EXPECT_EQ(alignof(float4), 16u);
  EXPECT_EQ(alignof(uint2), 8u);
  EXPECT_EQ(sizeof(uint3), 12u);
}

#if defined(__SANITIZE_ADDRESS__)
__global__ void touch_beyond(float* values) { values[4] = 1; }

using SimtSanitizerDeathTest = Simt;

TEST_F(SimtSanitizerDeathTest, CatchesKernelsThatWriteOutsideAndHostsThatReadDeviceMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const device_array<float> values(4);
        launch(nullptr, touch_beyond, 1, 1, 0, values.get());
        cudaDeviceSynchronize();
      },
      "heap-buffer-overflow");
  EXPECT_DEATH(
      {
        const device_array<float> values(iota(4));
        std::printf("%f\n", static_cast<double>(values.get()[0]));
      },
      "use-after-poison");
  EXPECT_DEATH(
      {
        const device_array<float> values(96);
        launch(nullptr, reverse_in_dynamic_memory, 1, 96, 95 * sizeof(float), values.get());
        cudaDeviceSynchronize();
      },
      "use-after-poison");
}
#endif

// The trial that DESIGN.md section 6 quotes; printed, not judged, since machines differ.
__global__ void twelve_barriers(unsigned int* out) {
  OPTIM_SHARED(slots, unsigned int[256]);
  unsigned int value = threadIdx.x;
  for (int round = 0; round < 6; ++round) {
    slots[threadIdx.x] = value;
    __syncthreads();
    value += slots[(threadIdx.x + 1) % blockDim.x];
    __syncthreads();
  }
  out[blockIdx.x * blockDim.x + threadIdx.x] = value;
}

TEST_F(Simt, TwelveBarriersInTwoHundredBlocks) {
  const device_array<unsigned int> out(200 * 256);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(launch(nullptr, twelve_barriers, 200, 256, 0, out.get()), cudaSuccess);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  std::printf("%.3f s\n", taken.count());
  // Six rounds of v(i) += v(i+1) give sum over k of binomial(6, k) (i + k) = 64 i + 192 where nothing wraps.
  EXPECT_EQ(out.read()[10], 64u * 10 + 192);
}

}  // namespace
