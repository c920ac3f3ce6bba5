// How functions are compiled: rule and helper mathematics is shared by the host and the device, and always inlined, so that
// no instruction-set specific copy of it can be picked by the linker for another instruction set.
#pragma once

#if defined(__CUDACC__)
#define OPTIM_FN __host__ __device__ __forceinline__
#else
#define OPTIM_FN inline __attribute__((always_inline))
#endif

// The iterations of the loop that follows do not depend on one another.
#if defined(__clang__)
#define OPTIM_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define OPTIM_INDEPENDENT _Pragma("GCC ivdep")
#endif

// A namespace-scope tag that host and device code can both name.
#if defined(__CUDA_ARCH__)
#define OPTIM_TAG [[maybe_unused]] static const __device__
#else
#define OPTIM_TAG [[maybe_unused]] static constexpr
#endif
