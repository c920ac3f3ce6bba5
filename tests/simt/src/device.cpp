// The device that the stand-in pretends to be: an H100 with few multiprocessors, so that a persistent grid stays small
// and each of its blocks has several tiles.
#include <algorithm>
#include <cstdio>
#include <unordered_map>

#include "grid.h"
#include "runtime.h"
#include "simt/control.h"

namespace {

using simt::guarded;
using simt::runtime;
using simt::the_runtime;

constexpr std::size_t block_shared_bytes = 48 * 1024;

std::unordered_map<const void*, std::size_t>& shared_limits() {  // set by cudaFuncSetAttribute
  static auto& limits = *new std::unordered_map<const void*, std::size_t>;
  return limits;
}

cudaDeviceProp properties_of(const runtime& r) {
  cudaDeviceProp p{};
  std::snprintf(p.name, sizeof p.name, "SIMT stand-in (runs on the host)");
  p.totalGlobalMem = std::size_t{4} << 30;
  p.sharedMemPerBlock = block_shared_bytes;
  p.regsPerBlock = 65536;
  p.warpSize = 32;
  p.maxThreadsPerBlock = simt::max_block_threads;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 2147483647;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.clockRate = 1980000;
  p.totalConstMem = 65536;
  p.major = 9;
  p.minor = 0;
  p.multiProcessorCount = r.multiprocessors;
  p.canMapHostMemory = 1;
  p.concurrentKernels = 1;
  p.asyncEngineCount = 3;
  p.unifiedAddressing = 1;
  p.memoryClockRate = 2619000;
  p.memoryBusWidth = 5120;
  p.l2CacheSize = 50 << 20;
  p.maxThreadsPerMultiProcessor = 2048;
  p.sharedMemPerMultiprocessor = 228 * 1024;
  p.regsPerMultiprocessor = 65536;
  p.sharedMemPerBlockOptin = simt::max_dynamic_shared;
  p.maxBlocksPerMultiProcessor = 32;
  p.reservedSharedMemPerBlock = 1024;
  return p;
}

cudaError_t attribute_of(const cudaDeviceProp& p, cudaDeviceAttr attribute, int* value) {
  const auto is = [value](auto number) { return *value = static_cast<int>(number), cudaSuccess; };
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      return is(p.maxThreadsPerBlock);
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return is(p.sharedMemPerBlock);
    case cudaDevAttrWarpSize:
      return is(p.warpSize);
    case cudaDevAttrMaxRegistersPerBlock:
      return is(p.regsPerBlock);
    case cudaDevAttrClockRate:
      return is(p.clockRate);
    case cudaDevAttrMultiProcessorCount:
      return is(p.multiProcessorCount);
    case cudaDevAttrIntegrated:
      return is(p.integrated);
    case cudaDevAttrConcurrentKernels:
      return is(p.concurrentKernels);
    case cudaDevAttrMemoryClockRate:
      return is(p.memoryClockRate);
    case cudaDevAttrGlobalMemoryBusWidth:
      return is(p.memoryBusWidth);
    case cudaDevAttrL2CacheSize:
      return is(p.l2CacheSize);
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return is(p.maxThreadsPerMultiProcessor);
    case cudaDevAttrUnifiedAddressing:
      return is(p.unifiedAddressing);
    case cudaDevAttrComputeCapabilityMajor:
      return is(p.major);
    case cudaDevAttrComputeCapabilityMinor:
      return is(p.minor);
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return is(p.sharedMemPerMultiprocessor);
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      return is(p.regsPerMultiprocessor);
    case cudaDevAttrManagedMemory:
      return is(p.managedMemory);
    case cudaDevAttrPageableMemoryAccess:
      return is(p.pageableMemoryAccess);
    case cudaDevAttrCooperativeLaunch:
      return is(p.cooperativeLaunch);
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return is(p.sharedMemPerBlockOptin);
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      return is(p.maxBlocksPerMultiProcessor);
  }
  return cudaErrorInvalidValue;
}

std::size_t shared_limit(const void* kernel) {
  const auto found = shared_limits().find(kernel);
  return found == shared_limits().end() ? block_shared_bytes : found->second;
}

bool fits(dim3 size, const int (&limit)[3]) {
  return size.x >= 1 && size.y >= 1 && size.z >= 1 && size.x <= static_cast<unsigned int>(limit[0]) &&
         size.y <= static_cast<unsigned int>(limit[1]) && size.z <= static_cast<unsigned int>(limit[2]);
}

}  // namespace

cudaError_t simt::launch(dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream,
                         std::function<void()> body, const void* kernel) {
  return guarded([&] {
    const cudaDeviceProp p = properties_of(the_runtime());
    if (!fits(grid, p.maxGridSize) || !fits(block, p.maxThreadsDim) || block.x * block.y * block.z > max_block_threads)
      return cudaErrorInvalidConfiguration;
    if (shared_bytes > shared_limit(kernel)) return cudaErrorInvalidValue;
    ++the_runtime().launches;
    const launch_shape shape{grid, block, shared_bytes, kernel};
    return submit(stream, [shape, body = std::move(body)] {
      runtime& r = the_runtime();
      if (!run_grid(shape, body, r.sequence)) r.sticky = cudaErrorLaunchFailure;
    });
  });
}

cudaError_t cudaGetDeviceCount(int* count) {
  if (!count) return simt::note(cudaErrorInvalidValue);
  *count = the_runtime().devices;
  return simt::note(*count ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaGetDevice(int* device) {
  return guarded([&] { return device ? *device = 0, cudaSuccess : cudaErrorInvalidValue; });
}

cudaError_t cudaSetDevice(int device) {
  return guarded([&] { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return guarded([&] {
    if (!properties) return cudaErrorInvalidValue;
    if (device != 0) return cudaErrorInvalidDevice;
    *properties = properties_of(the_runtime());
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return guarded([&] {
    if (!value) return cudaErrorInvalidValue;
    if (device != 0) return cudaErrorInvalidDevice;
    return attribute_of(properties_of(the_runtime()), attribute, value);
  });
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return guarded([&] {
    if (!kernel) return cudaErrorInvalidDeviceFunction;
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout)
      return value >= -1 && value <= 100 ? cudaSuccess : cudaErrorInvalidValue;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<std::size_t>(value) > simt::max_dynamic_shared)
      return cudaErrorInvalidValue;
    shared_limits()[kernel] = static_cast<std::size_t>(value);
    return cudaSuccess;
  });
}

// By threads and shared memory alone: the stand-in knows nothing of registers.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* kernel, int block_threads,
                                                          std::size_t shared_bytes) {
  return guarded([&] {
    const cudaDeviceProp p = properties_of(the_runtime());
    if (!blocks || block_threads < 1) return cudaErrorInvalidValue;
    if (!kernel) return cudaErrorInvalidDeviceFunction;
    *blocks = 0;
    if (block_threads > p.maxThreadsPerBlock || shared_bytes > shared_limit(kernel)) return cudaSuccess;
    const int threads = (block_threads + p.warpSize - 1) / p.warpSize * p.warpSize;
    const std::size_t by_shared = p.sharedMemPerMultiprocessor / (shared_bytes + p.reservedSharedMemPerBlock);
    *blocks =
        std::min({p.maxThreadsPerMultiProcessor / threads, static_cast<int>(by_shared), p.maxBlocksPerMultiProcessor});
    return cudaSuccess;
  });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return simt::note(version ? *version = CUDART_VERSION, cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }
