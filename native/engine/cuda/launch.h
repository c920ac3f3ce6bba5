// The one way to start a kernel, and the two spellings of shared memory that every compiler of the CUDA sources
// understands: nvcc, and the host compiler with tests/simt.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "engine/queued_work.h"

// OPTIM_SHARED(name, type): a variable shared by the block, `OPTIM_SHARED(partial, moments<T>[32]);`
// OPTIM_DYNAMIC_SHARED(name, type): a pointer to the bytes the launch asked for, aligned to 16.
#if defined(OPTIM_SIMT)
#define OPTIM_SHARED(name, ...)      \
  static const char name##_site = 0; \
  auto& name = simt::shared<__VA_ARGS__>(&name##_site)
#define OPTIM_DYNAMIC_SHARED(name, ...) auto* const name = static_cast<__VA_ARGS__*>(simt::dynamic_shared())
#else
#define OPTIM_SHARED(name, ...)    \
  using name##_type = __VA_ARGS__; \
  __shared__ name##_type name
#define OPTIM_DYNAMIC_SHARED(name, ...)                         \
  extern __shared__ __align__(16) unsigned char name##_bytes[]; \
  auto* const name = reinterpret_cast<__VA_ARGS__*>(name##_bytes)
#endif

namespace optim::cuda {

// What the calling thread has asked of devices so far; a step's share must not depend on the number of tensors.
inline thread_local QueuedWork queued;

// A block gets more shared memory than this only after it has been asked for.
constexpr std::size_t plain_shared_bytes = 32768;

// Arguments are converted to the kernel's own parameter types before their addresses are taken. The result is that of
// the launch; what goes wrong while the kernel runs is reported by a later call.
template <class... Parameters, class... Arguments>
cudaError_t launch(cudaStream_t stream, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
                   Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "the kernel takes another number of arguments");
  using values_type = std::tuple<std::remove_cv_t<Parameters>...>;
  static_assert(sizeof(values_type) <= 4096, "kernel parameters are limited to 4 KiB");
  static_assert((std::is_trivially_copyable_v<std::remove_cv_t<Parameters>> && ...),
                "parameters are copied bit by bit");
  values_type values(std::forward<Arguments>(arguments)...);
  ++queued.launches;
  if (shared_bytes > plain_shared_bytes) {
    const cudaError_t error =
        cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(shared_bytes));
    if (error != cudaSuccess) return error;
  }
#if defined(OPTIM_SIMT)
  return simt::launch(
      grid, block, shared_bytes, stream, [=] { std::apply(kernel, values); }, reinterpret_cast<const void*>(kernel));
#else
  return std::apply(
      [&](auto&... value) {
        void* addresses[] = {&value..., nullptr};
        return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, addresses, shared_bytes, stream);
      },
      values);
#endif
}

}  // namespace optim::cuda
