// Tests of the stand-in's host side: streams, events, graphs, memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include "engine/cuda/launch.h"

namespace {

using optim::cuda::launch;

__global__ void scale_and_add(float* value, float scale, float term) { *value = *value * scale + term; }
__global__ void count_up(unsigned int* counter) { atomicAdd(counter, 1u); }

class SimtStreams : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaMalloc(&value_, sizeof(float)), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&first_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaStreamCreateWithFlags(&second_, cudaStreamNonBlocking), cudaSuccess);
    ASSERT_EQ(cudaEventCreate(&event_), cudaSuccess);
    set(1);
  }
  void TearDown() override {
    simt::reset_error();
    simt::set_order("forward");
    simt::fail_next_allocation(0);
    EXPECT_EQ(cudaEventDestroy(event_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(second_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(first_), cudaSuccess);
    EXPECT_EQ(cudaFree(value_), cudaSuccess);
    EXPECT_EQ(simt::live_allocations(), 0u);
  }

  void set(float value) { EXPECT_EQ(cudaMemcpy(value_, &value, sizeof value, cudaMemcpyHostToDevice), cudaSuccess); }
  float get() const {
    float value = 0;
    EXPECT_EQ(cudaMemcpy(&value, value_, sizeof value, cudaMemcpyDeviceToHost), cudaSuccess);
    return value;
  }
  cudaError_t step(cudaStream_t stream, float scale, float term) const {
    return launch(stream, scale_and_add, 1, 1, 0, value_, scale, term);
  }

  float* value_ = nullptr;
  cudaStream_t first_ = nullptr, second_ = nullptr;
  cudaEvent_t event_ = nullptr;
};

TEST_F(SimtStreams, WorkWaitsUntilSomebodyWaitsForIt) {
  float host = 0;
  ASSERT_EQ(step(first_, 2, 3), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(&host, value_, sizeof host, cudaMemcpyDeviceToHost, first_), cudaSuccess);
  EXPECT_EQ(host, 0);
  EXPECT_EQ(get(), 1) << "a non-blocking stream does not wait for the null stream nor it for them";
  EXPECT_EQ(cudaStreamQuery(first_), cudaErrorNotReady);
  ASSERT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
  EXPECT_EQ(host, 5);
  EXPECT_EQ(cudaStreamQuery(first_), cudaSuccess);
}

TEST_F(SimtStreams, CopiesReadTheHostWhenTheyRun) {
  float host = 10;
  ASSERT_EQ(cudaMemcpyAsync(value_, &host, sizeof host, cudaMemcpyHostToDevice, first_), cudaSuccess);
  host = 20;
  ASSERT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
  EXPECT_EQ(get(), 20);
}

TEST_F(SimtStreams, PollingComesToAnEnd) {
  for (int i = 0; i < 3; ++i) ASSERT_EQ(step(first_, 1, 1), cudaSuccess);
  int polls = 0;
  while (cudaStreamQuery(first_) == cudaErrorNotReady) ASSERT_LT(++polls, 100);
  EXPECT_EQ(get(), 4);
}

TEST_F(SimtStreams, EventsOrderStreams) {
  for (const char* order : {"forward", "reverse", "shuffle:1", "shuffle:2", "shuffle:3"}) {
    simt::set_order(order);
    set(1);
    ASSERT_EQ(step(first_, 1, 2), cudaSuccess);  // 3
    ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(second_, event_, 0), cudaSuccess);
    ASSERT_EQ(step(second_, 10, 0), cudaSuccess);  // 30, or 10 without the wait
    ASSERT_EQ(cudaStreamSynchronize(second_), cudaSuccess);
    EXPECT_EQ(get(), 30) << order;
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  }
}

TEST_F(SimtStreams, ShuffleShowsAMissingWait) {
  std::vector<float> seen;
  for (const char* order : {"forward", "reverse", "shuffle:1", "shuffle:2", "shuffle:3", "shuffle:4"}) {
    simt::set_order(order);
    set(1);
    ASSERT_EQ(step(first_, 1, 2), cudaSuccess);
    ASSERT_EQ(step(second_, 10, 0), cudaSuccess);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    seen.push_back(get());
  }
  EXPECT_NE(std::count(seen.begin(), seen.end(), 30), 0);
  EXPECT_NE(std::count(seen.begin(), seen.end(), 12), 0);
}

TEST_F(SimtStreams, BlockingStreamsAndTheNullStreamWaitForEachOther) {
  cudaStream_t blocking = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  ASSERT_EQ(step(blocking, 1, 2), cudaSuccess);
  ASSERT_EQ(step(nullptr, 10, 0), cudaSuccess);
  ASSERT_EQ(step(blocking, 1, 5), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(blocking), cudaSuccess);
  EXPECT_EQ(get(), 35);
  EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(blocking), cudaErrorInvalidResourceHandle);
}

TEST_F(SimtStreams, EventsTellWhenAndHowLong) {
  cudaEvent_t end = nullptr;
  float milliseconds = -1;
  ASSERT_EQ(cudaEventCreate(&end), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, end), cudaErrorInvalidResourceHandle);
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  ASSERT_EQ(step(first_, 1, 1), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(end, first_), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, end), cudaErrorNotReady);
  EXPECT_EQ(cudaEventQuery(end), cudaErrorNotReady);
  ASSERT_EQ(cudaEventSynchronize(end), cudaSuccess);
  ASSERT_EQ(cudaEventElapsedTime(&milliseconds, event_, end), cudaSuccess);
  EXPECT_GE(milliseconds, 0);
  EXPECT_EQ(cudaEventDestroy(end), cudaSuccess);
}

TEST_F(SimtStreams, GraphsReplayWhatWasCaptured) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(first_, cudaStreamCaptureModeGlobal), cudaSuccess);
  ASSERT_EQ(step(first_, 2, 0), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(second_, event_, 0), cudaSuccess);
  ASSERT_EQ(step(second_, 1, 1), cudaSuccess);
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  ASSERT_EQ(cudaStreamIsCapturing(second_, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  ASSERT_EQ(cudaEventRecord(event_, second_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(first_, event_, 0), cudaSuccess);
  ASSERT_EQ(cudaStreamEndCapture(first_, &graph), cudaSuccess);
  EXPECT_EQ(get(), 1) << "capturing runs nothing";
  std::size_t nodes = 0;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 2u);
  ASSERT_EQ(cudaGraphInstantiateWithFlags(&exec, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  const std::uint64_t launches = simt::launch_count();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(cudaGraphLaunch(exec, first_), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
  EXPECT_EQ(get(), 15);  // ((1*2+1)*2+1)*2+1
  EXPECT_EQ(simt::launch_count(), launches);
  EXPECT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
}

TEST_F(SimtStreams, CaptureRefusesWhatARealOneRefuses) {
  cudaGraph_t graph = nullptr;
  const auto begin = [&] { return cudaStreamBeginCapture(first_, cudaStreamCaptureModeGlobal); };
  float* memory = nullptr;
  ASSERT_EQ(begin(), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&memory, 4), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(step(first_, 1, 1), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaStreamEndCapture(first_, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(graph, nullptr);

  ASSERT_EQ(begin(), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(first_), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(first_, &graph), cudaErrorStreamCaptureInvalidated);

  ASSERT_EQ(begin(), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(second_, event_, 0), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(second_, &graph), cudaErrorStreamCaptureUnmatched);
  EXPECT_EQ(cudaStreamEndCapture(first_, &graph), cudaErrorStreamCaptureInvalidated);

  ASSERT_EQ(begin(), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, first_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(second_, event_, 0), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(first_, &graph), cudaErrorStreamCaptureUnjoined);

  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
  cudaStream_t blocking = nullptr;
  ASSERT_EQ(cudaStreamCreate(&blocking), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(step(nullptr, 1, 1), cudaErrorStreamCaptureImplicit);
  EXPECT_EQ(cudaStreamEndCapture(blocking, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaStreamDestroy(blocking), cudaSuccess);
}

TEST_F(SimtStreams, AllocationsFailOnDemand) {
  float* memory = nullptr;
  simt::fail_next_allocation(2);
  ASSERT_EQ(cudaMalloc(&memory, 16), cudaSuccess);
  float* other = nullptr;
  EXPECT_EQ(cudaMallocHost(&other, 16), cudaErrorMemoryAllocation);
  EXPECT_EQ(other, nullptr);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaMalloc(&other, std::size_t{5} << 30), cudaErrorMemoryAllocation) << "more than the device has";
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
}

TEST_F(SimtStreams, TellsPointersApart) {
  float* device = nullptr;
  float* pinned = nullptr;
  float plain = 0;
  ASSERT_EQ(cudaMalloc(&device, 16), cudaSuccess);
  ASSERT_EQ(cudaMallocHost(&pinned, 16), cudaSuccess);
  const auto type = [](const void* address) {
    cudaPointerAttributes attributes;
    EXPECT_EQ(cudaPointerGetAttributes(&attributes, address), cudaSuccess);
    return attributes.type;
  };
  EXPECT_EQ(type(device), cudaMemoryTypeDevice);
  EXPECT_EQ(type(device + 3), cudaMemoryTypeDevice);
  EXPECT_EQ(type(device + 4), cudaMemoryTypeUnregistered);
  EXPECT_EQ(type(pinned), cudaMemoryTypeHost);
  EXPECT_EQ(type(&plain), cudaMemoryTypeUnregistered);
  EXPECT_EQ(cudaFree(pinned), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(device + 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
  EXPECT_EQ(cudaFree(device), cudaSuccess);
  EXPECT_EQ(cudaFree(device), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

TEST_F(SimtStreams, ChecksCopies) {
  float host[2] = {1, 2};
  EXPECT_EQ(cudaMemcpy(value_, host, 2 * sizeof(float), cudaMemcpyHostToDevice), cudaErrorInvalidValue) << "too long";
  EXPECT_EQ(cudaMemcpy(host, value_, sizeof(float), cudaMemcpyHostToDevice), cudaErrorInvalidValue) << "wrong way";
  EXPECT_EQ(cudaMemcpy(host, host + 1, sizeof(float), cudaMemcpyDeviceToHost), cudaErrorInvalidValue)
      << "not the device's";
  EXPECT_EQ(cudaMemcpy(nullptr, value_, sizeof(float), cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(value_, 0, 2 * sizeof(float)), cudaErrorInvalidValue);
  const std::uint64_t copies = simt::copy_count();
  EXPECT_EQ(cudaMemset(value_, 0, sizeof(float)), cudaSuccess);
  EXPECT_EQ(simt::copy_count(), copies + 1);
  EXPECT_EQ(get(), 0);
}

TEST_F(SimtStreams, HostFunctionsRunInOrderAndMayNotCallBack) {
  struct outcome {
    int seen = 0;
    cudaError_t inner = cudaSuccess;
  } got;
  const cudaHostFn_t function = [](void* data) {
    static_cast<outcome*>(data)->seen = 7;
    static_cast<outcome*>(data)->inner = cudaDeviceSynchronize();
  };
  ASSERT_EQ(cudaLaunchHostFunc(first_, function, &got), cudaSuccess);
  EXPECT_EQ(got.seen, 0);
  ASSERT_EQ(cudaStreamSynchronize(first_), cudaSuccess);
  EXPECT_EQ(got.seen, 7);
  EXPECT_EQ(got.inner, cudaErrorNotPermitted);
}

TEST_F(SimtStreams, HostThreadsWorkSideBySide) {
  constexpr int threads = 4, rounds = 50;
  unsigned int* counters = nullptr;
  ASSERT_EQ(cudaMalloc(&counters, threads * sizeof(unsigned int)), cudaSuccess);
  ASSERT_EQ(cudaMemset(counters, 0, threads * sizeof(unsigned int)), cudaSuccess);
  std::vector<std::thread> workers;
  std::vector<unsigned int> results(threads);
  for (int t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      cudaStream_t stream = nullptr;
      EXPECT_EQ(cudaStreamCreate(&stream), cudaSuccess);
      for (int i = 0; i < rounds; ++i) {
        EXPECT_EQ(launch(stream, count_up, 3, 64, 0, counters + t), cudaSuccess);
        if (i % 7 == 0) {
          EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
        }
      }
      EXPECT_EQ(cudaMemcpyAsync(&results[static_cast<std::size_t>(t)], counters + t, sizeof(unsigned int),
                                cudaMemcpyDeviceToHost, stream),
                cudaSuccess);
      EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
      EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    });
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(results, std::vector<unsigned int>(threads, 3 * 64 * rounds));
  EXPECT_EQ(cudaFree(counters), cudaSuccess);
}

TEST_F(SimtStreams, CanBeAMachineWithoutADevice) {
  simt::set_device_count(0);
  int count = -1;
  float* memory = nullptr;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(cudaMalloc(&memory, 4), cudaErrorNoDevice);
  EXPECT_EQ(step(nullptr, 1, 1), cudaErrorNoDevice);
  simt::set_device_count(1);
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(get(), 1);
}

TEST_F(SimtStreams, DescribesTheDevice) {
  int count = 0, multiprocessors = 0, blocks = 0;
  cudaDeviceProp properties;
  ASSERT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  ASSERT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  simt::set_multiprocessor_count(3);
  ASSERT_EQ(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0), cudaSuccess);
  EXPECT_EQ(multiprocessors, 3);
  simt::set_multiprocessor_count(properties.multiProcessorCount);
  ASSERT_EQ(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, count_up, 256, 0), cudaSuccess);
  EXPECT_EQ(blocks, 8);
  ASSERT_EQ(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, count_up, 256, 40 * 1024), cudaSuccess);
  EXPECT_EQ(blocks, 5);
  EXPECT_STREQ(cudaGetErrorName(cudaErrorMemoryAllocation), "cudaErrorMemoryAllocation");
  EXPECT_STREQ(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
}

}  // namespace
