// Dense arithmetic of matrix rules, compiled once per instruction set.
#include "engine/cpu/kernels.h"

#ifndef OPTIM_ISA
#error "OPTIM_ISA names the instruction set this file is compiled for"
#endif

namespace optim::cpu {
namespace {

constexpr int side = MatrixKernels::side, height = 8, width = 8;

void add_product(const double* left, const double* right, int depth, int rows, int columns, double* sum) {
  for (int i = 0; i < rows; i += height) {
    for (int j = 0; j < columns; j += width) {
      double tile[height][width];
      double* const target = sum + i * side + j;
      OPTIM_UNROLL
      for (int r = 0; r < height; ++r) {
        OPTIM_UNROLL
        for (int c = 0; c < width; ++c) tile[r][c] = target[r * side + c];
      }
      const double* a = left + i;
      const double* b = right + j;
      for (int k = 0; k < depth; ++k, a += side, b += side) {
        OPTIM_UNROLL
        for (int r = 0; r < height; ++r) {
          OPTIM_UNROLL
          for (int c = 0; c < width; ++c) tile[r][c] += a[r] * b[c];
        }
      }
      OPTIM_UNROLL
      for (int r = 0; r < height; ++r) {
        OPTIM_UNROLL
        for (int c = 0; c < width; ++c) target[r * side + c] = tile[r][c];
      }
    }
  }
}

template <class T>
linalg::RootOutcome inverse_root(int n, const void* a, void* result, const linalg::InverseRoot& options,
                                 const linalg::EigenWorkspace& work) {
  return linalg::inverse_root(linalg::SerialTeam(), n, static_cast<const T*>(a), static_cast<T*>(result), options,
                              work);
}

template <class T>
linalg::RootOutcome coupled_newton(int n, const void* a, void* result, double* error,
                                   const linalg::CoupledNewton& options, const linalg::NewtonWorkspace& work) {
  return linalg::coupled_newton(linalg::SerialTeam(), n, static_cast<const T*>(a), static_cast<T*>(result), error,
                                options, work);
}

}  // namespace

#define OPTIM_CPU_PASTE(NAME, ISA) NAME##_kernels_##ISA
#define OPTIM_CPU_TABLE(NAME, ISA) OPTIM_CPU_PASTE(NAME, ISA)
extern const MatrixKernels OPTIM_CPU_TABLE(matrix, OPTIM_ISA);
const MatrixKernels OPTIM_CPU_TABLE(matrix, OPTIM_ISA) = {
    &add_product,
    {&inverse_root<float>, &inverse_root<double>},
    {&coupled_newton<float>, &coupled_newton<double>},
};

}  // namespace optim::cpu
