// Device and pinned memory: heap memory behind a registry, so that copies can be checked and pointers told apart.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>

#include "runtime.h"
#include "sanitizer.h"
#include "simt/control.h"

namespace {

using simt::guarded;
using simt::runtime;
using simt::the_runtime;

constexpr std::size_t alignment = 256;
constexpr std::size_t capacity = std::size_t{4} << 30;  // as totalGlobalMem of the device's properties

struct allocation {
  std::size_t bytes;
  cudaMemoryType type;
};

struct registry {
  std::map<std::uintptr_t, allocation> live;
  std::size_t device_bytes = 0;
};

registry& memory() {
  static registry& instance = *new registry;
  return instance;
}

struct span {
  cudaMemoryType type;
  bool inside;  // false: begins in an allocation and ends beyond it
};

span locate(const void* address, std::size_t bytes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  auto after = memory().live.upper_bound(begin);
  if (after == memory().live.begin()) return {cudaMemoryTypeUnregistered, true};
  const auto& [base, found] = *--after;
  if (begin - base >= found.bytes) return {cudaMemoryTypeUnregistered, true};
  return {found.type, bytes <= found.bytes - (begin - base)};
}

cudaError_t allocate(void** address, std::size_t bytes, cudaMemoryType type) {
  runtime& r = the_runtime();
  if (!address) return cudaErrorInvalidValue;
  if (const cudaError_t error = simt::unless_capturing()) return error;
  ++r.allocations;
  if (r.allocations_until_failure > 0 && --r.allocations_until_failure == 0) return cudaErrorMemoryAllocation;
  if (bytes == 0) return *address = nullptr, cudaSuccess;
  const bool device = type == cudaMemoryTypeDevice;
  if (bytes > capacity - (device ? memory().device_bytes : 0)) return cudaErrorMemoryAllocation;
  void* fresh = nullptr;
  if (posix_memalign(&fresh, alignment, bytes) != 0) return cudaErrorMemoryAllocation;
  std::memset(fresh, simt::garbage, bytes);
  memory().live.emplace(reinterpret_cast<std::uintptr_t>(fresh), allocation{bytes, type});
  if (device) {
    memory().device_bytes += bytes;
    simt::sanitizer::forbid(fresh, bytes);
  }
  *address = fresh;
  return cudaSuccess;
}

cudaError_t release(void* address, cudaMemoryType type) {
  if (!address) return cudaSuccess;
  if (const cudaError_t error = simt::unless_capturing()) return error;
  ++the_runtime().synchronizations;
  simt::finish_everything();  // cudaFree waits for the device
  const auto found = memory().live.find(reinterpret_cast<std::uintptr_t>(address));
  if (found == memory().live.end() || found->second.type != type) return cudaErrorInvalidValue;
  if (type == cudaMemoryTypeDevice) memory().device_bytes -= found->second.bytes;
  simt::sanitizer::allow(address, found->second.bytes);
  memory().live.erase(found);
  std::free(address);
  return cudaSuccess;
}

cudaError_t check_copy(const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const span target = locate(to, bytes), source = locate(from, bytes);
  if (!to || !from || !target.inside || !source.inside) return cudaErrorInvalidValue;
  const bool to_device = target.type == cudaMemoryTypeDevice, from_device = source.type == cudaMemoryTypeDevice;
  switch (kind) {
    case cudaMemcpyHostToHost:
      return to_device || from_device ? cudaErrorInvalidValue : cudaSuccess;
    case cudaMemcpyHostToDevice:
      return !to_device || from_device ? cudaErrorInvalidValue : cudaSuccess;
    case cudaMemcpyDeviceToHost:
      return to_device || !from_device ? cudaErrorInvalidValue : cudaSuccess;
    case cudaMemcpyDeviceToDevice:
      return !to_device || !from_device ? cudaErrorInvalidValue : cudaSuccess;
    case cudaMemcpyDefault:
      return cudaSuccess;
  }
  return cudaErrorInvalidMemcpyDirection;
}

cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (const cudaError_t error = check_copy(to, from, bytes, kind)) return error;
  ++the_runtime().copies;
  return simt::submit(stream, [=] { std::memcpy(to, from, bytes); });
}

cudaError_t fill(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  const span target = locate(to, bytes);
  if (!target.inside || target.type == cudaMemoryTypeUnregistered) return cudaErrorInvalidValue;
  ++the_runtime().copies;
  return simt::submit(stream, [=] { std::memset(to, value, bytes); });
}

}  // namespace

void simt::open_device_memory(bool open) {
  if (!sanitizer::present) return;
  for (const auto& [base, found] : memory().live)
    if (found.type == cudaMemoryTypeDevice)
      (open ? sanitizer::allow : sanitizer::forbid)(reinterpret_cast<void*>(base), found.bytes);
}

std::size_t simt::live_allocations() {
  const std::lock_guard<std::recursive_mutex> hold(the_runtime().mutex);
  return memory().live.size();
}

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  return guarded([&] { return allocate(address, bytes, cudaMemoryTypeDevice); });
}

cudaError_t cudaMallocHost(void** address, std::size_t bytes) {
  return guarded([&] { return allocate(address, bytes, cudaMemoryTypeHost); });
}

cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned int) { return cudaMallocHost(address, bytes); }

cudaError_t cudaFree(void* address) {
  return guarded([&] { return release(address, cudaMemoryTypeDevice); });
}

cudaError_t cudaFreeHost(void* address) {
  return guarded([&] { return release(address, cudaMemoryTypeHost); });
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  return guarded([&] {
    if (!free || !total) return cudaErrorInvalidValue;
    *total = capacity;
    *free = capacity - memory().device_bytes;
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  return guarded([&] {
    if (!attributes) return cudaErrorInvalidValue;
    const cudaMemoryType type = locate(address, 0).type;
    void* const pointer = const_cast<void*>(address);
    const bool known = type != cudaMemoryTypeUnregistered;
    *attributes = {type, known ? 0 : -2, known ? pointer : nullptr, type == cudaMemoryTypeDevice ? nullptr : pointer};
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return guarded([&] { return copy(to, from, bytes, kind, stream); });
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return guarded([&] {
    if (const cudaError_t error = simt::unless_capturing()) return error;
    ++the_runtime().synchronizations;
    const cudaError_t error = copy(to, from, bytes, kind, nullptr);
    if (error == cudaSuccess) simt::finish(nullptr);
    return error;
  });
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  return guarded([&] { return fill(to, value, bytes, stream); });
}

// Like the real one it does not wait when the memory is the device's.
cudaError_t cudaMemset(void* to, int value, std::size_t bytes) { return cudaMemsetAsync(to, value, bytes, nullptr); }
