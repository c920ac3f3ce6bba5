// How functions are compiled: rule and helper mathematics is shared by the host and the device, and always inlined, so that
// no instruction-set specific copy of it can be picked by the linker for another instruction set.
#pragma once

#if defined(__CUDACC__)
#define OPTIM_FN __host__ __device__ __forceinline__
#else
#define OPTIM_FN inline __attribute__((always_inline))
#endif

// A namespace-scope tag that host and device code can both name.
#if defined(__CUDA_ARCH__)
#define OPTIM_TAG [[maybe_unused]] static const __device__
#else
#define OPTIM_TAG [[maybe_unused]] static constexpr
#endif
