// CUDA's declaration specifiers, as a host compiler understands them. `__noinline__` is missing on purpose: libstdc++
// spells an attribute that way; write __attribute__((noinline)), which nvcc takes too.
#pragma once

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)

// Blocks run one after another, so a block's shared variable can be static. Memory declared this way keeps what the
// last block left; OPTIM_SHARED of engine/cuda/launch.h is refilled with garbage for every block.
#define __shared__ static
