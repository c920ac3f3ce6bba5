// Products of commuting symmetric matrices in double by one block, on the tensor cores where the device has them for
// double (compute capability 8.0). Such a product is symmetric: tiles on and above the diagonal are computed, each
// with its mirror image written beside it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "engine/cuda/launch.h"

namespace optim::cuda {

constexpr int product_threads = 256;
constexpr int product_side = 128;  // rows and columns of a tile
constexpr int product_depth = 16;  // of the panels that are multiplied at once
constexpr int product_stages = 3;  // panels being multiplied and under way

// How a matrix lies in memory: row by row, zeros in what lies beyond n, so that panels are read without asking.
struct SquareShape {
  int n;

  OPTIM_FN int stride() const { return (n + product_side - 1) / product_side * product_side; }
  OPTIM_FN int rows() const { return (n + product_depth - 1) / product_depth * product_depth; }
  OPTIM_FN std::int64_t size() const { return static_cast<std::int64_t>(rows()) * stride(); }
};

// Rows k of both factors: the left one is symmetric, so that its columns are its rows. The odd four numbers put four
// neighbouring rows into different banks, where a fragment of the tensor cores asks for them at once.
struct ProductPanels {
  static constexpr int stride = product_side + 4;
  double left[product_depth][stride], right[product_depth][stride];
};

// result = factor * left * right + addend * other + identity * I; other may be null, result is none of the others.
struct Product {
  double* result;
  const double *left, *right, *other;
  double factor, addend, identity;
};

// Each warp has 32 x 64 elements of a tile, each lane 2 pairs of rows and 8 pairs of columns of them. A row of the
// hardware's fragments may stand for any of the tile's: its rows g and g + 8 are neighbours 2 g and 2 g + 1 here, which one
// load brings into the neighbouring registers that the instruction asks for.
struct WarpTile {
  static constexpr int row_groups = 2, column_groups = 8;
  double sum[row_groups][column_groups][4];  // [group of 16 rows][of 8 columns][row of the pair * 2 + column]

  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int warp() { return static_cast<int>(threadIdx.x) / 32; }
  // The first of this lane's two rows of a group, and of its two columns.
  static __device__ __forceinline__ int row(int group) { return warp() / 2 * 32 + group * 16 + lane() / 4 * 2; }
  static __device__ __forceinline__ int column(int group) { return warp() % 2 * 64 + group * 8 + lane() % 4 * 2; }
};

// d += a b for a of 16 rows and 16 columns and b of 16 rows and 8 columns, by a warp. Of a, lane l has the rows l / 4 and
// l / 4 + 8 (even and odd elements) of the columns l % 4, + 4, + 8 and + 12; of b these rows of the column l / 4; of d the
// same rows as of a, of the columns 2 (l % 4) and + 1.
__device__ __forceinline__ void multiply_fragments(double (&d)[4], const double (&a)[8], const double (&b)[4]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  // Hopper comes nearer to its peak the deeper the instruction is.
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5,%6,%7,%8,%9,%10,%11}, "
      "{%12,%13,%14,%15}, {%0,%1,%2,%3};"
      : "+d"(d[0]), "+d"(d[1]), "+d"(d[2]), "+d"(d[3])
      : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(a[4]), "d"(a[5]), "d"(a[6]), "d"(a[7]), "d"(b[0]), "d"(b[1]),
        "d"(b[2]), "d"(b[3]));
#elif defined(__CUDA_ARCH__)
#pragma unroll
  for (int k = 0; k < 4; ++k) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
                   : "+d"(d[2 * half]), "+d"(d[2 * half + 1])
                   : "d"(a[2 * k + half]), "d"(b[k]));
    }
  }
#else
  struct Factors {
    double a[16][product_depth], b[8][product_depth];
  };
  OPTIM_SHARED(factors, Factors[product_threads / 32]);
  const int lane = static_cast<int>(threadIdx.x) % 32, row = lane / 4, k = lane % 4;
  Factors& warp = factors[threadIdx.x / 32];
  for (int q = 0; q < 4; ++q) {
    warp.a[row][k + 4 * q] = a[2 * q];
    warp.a[row + 8][k + 4 * q] = a[2 * q + 1];
    warp.b[row][k + 4 * q] = b[q];
  }
  __syncwarp();
  for (int e = 0; e < 4; ++e) {
    const double *const left = warp.a[row + e / 2 * 8], *const right = warp.b[2 * k + e % 2];
    double sum = d[e];
    for (int i = 0; i < product_depth; ++i) sum += left[i] * right[i];
    d[e] = sum;
  }
  __syncwarp();
#endif
}

// tile += left^T right
__device__ __forceinline__ void multiply_panels(const ProductPanels& panels, WarpTile& tile) {
  const int k = WarpTile::lane() % 4, g = WarpTile::lane() / 4;
  const double* const left = &panels.left[k][WarpTile::warp() / 2 * 32 + 2 * g];
  const double* const right = &panels.right[k][WarpTile::warp() % 2 * 64 + g];
  double a[WarpTile::row_groups][8];
#pragma unroll
  for (int i = 0; i < WarpTile::row_groups; ++i) {
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      const double2 pair = *reinterpret_cast<const double2*>(left + 4 * q * ProductPanels::stride + 16 * i);
      a[i][2 * q] = pair.x;
      a[i][2 * q + 1] = pair.y;
    }
  }
#pragma unroll
  for (int j = 0; j < WarpTile::column_groups; ++j) {
    double b[4];
#pragma unroll
    for (int q = 0; q < 4; ++q) b[q] = right[4 * q * ProductPanels::stride + 8 * j];
#pragma unroll
    for (int i = 0; i < WarpTile::row_groups; ++i) multiply_fragments(tile.sum[i][j], a[i], b);
  }
}

// 16 bytes to shared memory, without waiting for them.
__device__ __forceinline__ void copy_async(double* shared, const double* global) {
#if defined(__CUDA_ARCH__)
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))),
      "l"(global)
      : "memory");
#else
  shared[0] = global[0];
  shared[1] = global[1];
#endif
}
__device__ __forceinline__ void commit_copies() {
#if defined(__CUDA_ARCH__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// All but the last `pending` commits have arrived.
template <int pending>
__device__ __forceinline__ void wait_for_copies() {
#if defined(__CUDA_ARCH__)
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#endif
}

// One tile: rows and columns from `row` and `column` on, row <= column.
struct ProductTile {
  int row = 0, column = 0;

  __device__ __forceinline__ void advance(int stride) {
    column += product_side;
    if (column >= stride) column = row += product_side;
  }
};

// Reads the panels of one tile, step after step.
class PanelReader {
 public:
  __device__ __forceinline__ PanelReader(SquareShape shape, const Product& product, const ProductTile& tile)
      : stride_(shape.stride()), left_steps_(shape.rows() / product_depth) {
    const std::int64_t first = static_cast<std::int64_t>(row()) * stride_ + pair();
    left_ = product.left + first + tile.row;
    right_ = product.right + first + tile.column;
  }

  // Asks for the panels of the next step, if there is one.
  __device__ __forceinline__ void read(ProductPanels& target) {
    if (left_steps_ > 0) {
#pragma unroll
      for (int i = 0; i < product_depth; i += rows_at_once) {
        copy_async(&target.left[row() + i][pair()], left_ + i * stride_);
        copy_async(&target.right[row() + i][pair()], right_ + i * stride_);
      }
      left_ += product_depth * stride_;
      right_ += product_depth * stride_;
      --left_steps_;
    }
    commit_copies();
  }

 private:
  static constexpr int pairs = product_side / 2, rows_at_once = product_threads / pairs;
  static __device__ __forceinline__ int row() { return static_cast<int>(threadIdx.x) / pairs; }
  static __device__ __forceinline__ int pair() { return static_cast<int>(threadIdx.x) % pairs * 2; }

  int stride_, left_steps_;
  const double *left_, *right_;
};

// Writes this thread's part of a tile and of its mirror image; the sum of squares of the differences from I.
__device__ __forceinline__ double store_tile(SquareShape shape, const ProductTile& at, const WarpTile& tile,
                                             const Product& product) {
  const int stride = shape.stride(), rows = shape.rows();
  double square = 0;
#pragma unroll
  for (int i = 0; i < WarpTile::row_groups; ++i) {
#pragma unroll
    for (int j = 0; j < WarpTile::column_groups; ++j) {
      const int row = at.row + WarpTile::row(i), column = at.column + WarpTile::column(j);
      if (row >= rows || row > column + 1) continue;
      const std::int64_t here = static_cast<std::int64_t>(row) * stride + column;
      const std::int64_t mirror = static_cast<std::int64_t>(column) * stride + row;
      double value[4];
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int r = e / 2, c = e % 2;
        const double one = row + r == column + c && row + r < shape.n ? 1 : 0;
        double sum = product.factor * tile.sum[i][j][e] + product.identity * one;
        if (product.other != nullptr) sum += product.addend * product.other[here + r * stride + c];
        value[e] = sum;
        const double twice = row + r < column + c ? 2 : row + r == column + c ? 1 : 0;
        square += twice * ((sum - one) * (sum - one));
      }
      if (row == column) value[2] = value[1];  // on the diagonal
      *reinterpret_cast<double2*>(product.result + here) = {value[0], value[1]};
      *reinterpret_cast<double2*>(product.result + here + stride) = {value[2], value[3]};
      if (column >= rows) continue;
      *reinterpret_cast<double2*>(product.result + mirror) = {value[0], value[2]};
      *reinterpret_cast<double2*>(product.result + mirror + stride) = {value[1], value[3]};
    }
  }
  return square;
}

// By the whole block, whose dynamic shared memory is product_stages ProductPanels; this thread's share of
// |result - I|_F^2.
__device__ __forceinline__ double multiply(SquareShape shape, const Product& product) {
  OPTIM_DYNAMIC_SHARED(panels, ProductPanels);
  const int steps = shape.rows() / product_depth;
  double square = 0;
#pragma unroll 1
  for (ProductTile at; at.row < shape.stride(); at.advance(shape.stride())) {
    PanelReader reader(shape, product, at);
    __syncthreads();
#pragma unroll 1
    for (int stage = 0; stage + 1 < product_stages; ++stage) reader.read(panels[stage]);
    WarpTile tile = {};
    int stage = 0, free = product_stages - 1;
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
      wait_for_copies<product_stages - 2>();
      __syncthreads();
      reader.read(panels[free]);
      multiply_panels(panels[stage], tile);
      free = stage;
      stage = stage + 1 < product_stages ? stage + 1 : 0;
    }
    square += store_tile(shape, at, tile, product);
  }
  wait_for_copies<0>();
  __syncthreads();
  return square;
}

}  // namespace optim::cuda
