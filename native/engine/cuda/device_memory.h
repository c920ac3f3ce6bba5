// Memory that frees itself: arrays on the device, and staging arrays that the device can read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/cuda/check.h"
#include "engine/cuda/launch.h"

namespace optim::cuda {

template <class T>
class DeviceArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  DeviceArray() = default;
  explicit DeviceArray(std::int64_t count) : count_(count) {
    if (count == 0) return;
    const cudaError_t result = cudaMalloc(reinterpret_cast<void**>(&data_), bytes());
    if (result != cudaSuccess) check(result, message("cudaMalloc of ", bytes(), " bytes").c_str());
  }
  ~DeviceArray() {
    if (data_ != nullptr) static_cast<void>(cudaFree(data_));
  }
  DeviceArray(DeviceArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }

  T* data() const { return data_; }
  T* release() {
    count_ = 0;
    return std::exchange(data_, nullptr);
  }
  std::int64_t count() const { return count_; }
  std::size_t bytes() const { return static_cast<std::size_t>(count_) * sizeof(T); }

  // Waits for the stream, since the source may be gone afterwards.
  void upload(const std::vector<T>& source, cudaStream_t stream) const {
    if (source.empty()) return;
    ++queued.uploads;
    check(cudaMemcpyAsync(data_, source.data(), source.size() * sizeof(T), cudaMemcpyHostToDevice, stream),
          "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  }
  void clear(cudaStream_t stream) const {
    if (count_ > 0) check(cudaMemsetAsync(data_, 0, bytes(), stream), "cudaMemsetAsync");
  }
  // Waits for the stream.
  std::vector<T> download(cudaStream_t stream) const { return download(stream, count_); }
  std::vector<T> download(cudaStream_t stream, std::int64_t first) const {
    std::vector<T> result(static_cast<std::size_t>(first));
    if (first > 0) {
      check(cudaMemcpyAsync(result.data(), data_, result.size() * sizeof(T), cudaMemcpyDeviceToHost, stream),
            "cudaMemcpyAsync");
    }
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    return result;
  }

 private:
  T* data_ = nullptr;
  std::int64_t count_ = 0;
};

template <class T>
DeviceArray<T> to_device(const std::vector<T>& source, cudaStream_t stream) {
  DeviceArray<T> result(static_cast<std::int64_t>(source.size()));
  result.upload(source, stream);
  return result;
}

// A device array with a copy of its own in pinned memory, for uploads that nobody waits for.
template <class T>
class StagedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit StagedArray(std::int64_t count) : device_(count), pinned_(device_.bytes()) {
    check(cudaEventCreateWithFlags(&uploaded_.event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  }

  T* device() const { return device_.data(); }

  // The first elements. Waits only while an earlier upload is still on its way.
  void upload(const std::vector<T>& source, cudaStream_t stream) {
    if (source.empty()) return;
    check(cudaEventSynchronize(uploaded_.event), "cudaEventSynchronize");
    ++queued.uploads;
    const std::size_t bytes = source.size() * sizeof(T);
    __builtin_memcpy(pinned_.data, source.data(), bytes);
    check(cudaMemcpyAsync(device_.data(), pinned_.data, bytes, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
    check(cudaEventRecord(uploaded_.event, stream), "cudaEventRecord");
  }

 private:
  struct Pinned {
    void* data = nullptr;
    explicit Pinned(std::size_t bytes) {
      if (bytes > 0) check(cudaMallocHost(&data, bytes), "cudaMallocHost");
    }
    ~Pinned() {
      if (data != nullptr) static_cast<void>(cudaFreeHost(data));
    }
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;
  };
  struct Event {
    cudaEvent_t event = nullptr;
    Event() = default;
    ~Event() {
      if (event != nullptr) static_cast<void>(cudaEventDestroy(event));
    }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
  };

  DeviceArray<T> device_;
  Pinned pinned_;
  Event uploaded_;
};

}  // namespace optim::cuda
