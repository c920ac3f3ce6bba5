// The threads of one block as a team of linalg/. The block has a multiple of 32 threads, all of which take part.
#pragma once

#include <cuda_runtime.h>

#include "linalg/team.h"

namespace optim::cuda {

struct BlockTeam {
  static constexpr int width = 1;
  static constexpr int tile_width = 4;

  double* partial;  // linalg::lanes numbers in shared memory

  __device__ __forceinline__ int rank() const { return static_cast<int>(threadIdx.x); }
  __device__ __forceinline__ int size() const { return static_cast<int>(blockDim.x); }
  __device__ __forceinline__ void sync() const { __syncthreads(); }

  template <class Term>
  __device__ __forceinline__ double sum(int n, const Term& term) const {
    __syncthreads();
    if (rank() < linalg::lanes) {
      double value = 0;
      for (int i = rank(); i < n; i += linalg::lanes) value += term(i);
      partial[rank()] = value;
    }
    __syncthreads();
    double total = 0;
    for (int lane = 0; lane < linalg::lanes; ++lane) total += partial[lane];
    return total;
  }

  __device__ __forceinline__ double max(double value) const {
    for (int distance = 16; distance > 0; distance /= 2) {
      const double other = __shfl_xor_sync(0xffffffffu, value, distance);
      value = other > value ? other : value;
    }
    __syncthreads();
    if (rank() % 32 == 0) partial[rank() / 32] = value;
    __syncthreads();
    for (int warp = 0; warp < size() / 32; ++warp) value = partial[warp] > value ? partial[warp] : value;
    return value;
  }
};

}  // namespace optim::cuda
