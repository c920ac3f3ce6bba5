// The compiled loops of the CPU engine: tables of functions, one table for every rule and instruction set. A kernel
// works on a piece of one tile in the arithmetic of the step (float or double); storage types were widened before it
// and are narrowed after.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/moments.h"
#include "core/rule_info.h"
#include "core/stochastic_rounding.h"
#include "helpers/settings.h"
#include "linalg/coupled_newton.h"

namespace optim::cpu {

struct Piece {
  std::int64_t count;
  void* param;
  void* grad;
  const void* scalars;       // Scalars<T>
  const void* map;           // GradientMap<T>
  void* state[max_slots];    // of slots with one value per element; others are not touched
  std::int64_t unit_length;  // of gather and apply, whose piece is whole units or part of one
  const void* factors;       // Factors<T> of each unit, max_factors bytes apart, in apply and the update after measure
  void* direction;  // T, written by direct beside the prepared gradient; read by measure and the update after it
  void* prepared;
  double* sums;  // added to by gather, of each unit one after the other, by measure and by probe
};

// What a loop may leave out, each kind also what the one before does. Where memory is fast, every operation and store
// counts.
enum class Loops : std::uint8_t {
  full,   // nothing: all slots are read and written, so that an absent one needs room
  lean,   // the conditional slots
  plain,  // the map of the gradient but for its sign and scale
};
constexpr int loop_kinds = 3;

struct PieceKernel {
  using Function = void (*)(const Piece&);
  Function function[loop_kinds];

  void operator()(const Piece& piece, Loops loops) const { function[static_cast<int>(loops)](piece); }
};

struct RuleKernels {
  ByPrecision<PieceKernel> update;
  ByPrecision<PieceKernel> gather, apply;            // reduced rules
  ByPrecision<PieceKernel> init_gather, init_apply;  // rules with an initialization
  ByPrecision<PieceKernel> direct, measure;          // matrix rules
  ByPrecision<PieceKernel> probe;                    // sums the second moment as it will be after the step
};

struct LookaheadPiece {
  std::int64_t count;
  void* param;
  void* slow;
  void* momentum;       // may be null
  void* slow_momentum;  // may be null
  double alpha;
  Pullback pullback;
};

// What is measured of the parameters beside the gradients.
enum class MeasuredParams { none, squares, products };

// Of the gradients, unscaled and clipped, and of the parameters, which are not read if nothing is measured of them.
using MomentsKernel = Moments (*)(const void* grad, const void* param, std::int64_t count, double unscale, double clip);

struct GenericKernels {
  void (*widen[4])(const void* stored, float* wide, std::int64_t count);  // by DType; null for f32 and f64
  void (*narrow[4])(const float* wide, void* stored, std::int64_t count);
  // Stochastic rounding of the elements [first, first + count) of a tensor; both pointers are those of the first.
  void (*round_bf16)(const float* wide, std::uint16_t* stored, std::int64_t first, std::int64_t count,
                     const RoundingDraws& draws);
  ByPrecision<MomentsKernel> moments[3];  // by MeasuredParams
  ByPrecision<void (*)(const LookaheadPiece&)> lookahead;
  ByPrecision<double (*)(const void* a, const void* b, std::int64_t count)> dot;
  ByPrecision<void (*)(void* sum, const void* x, double factor, std::int64_t count)> add_scaled;
};

// Dense arithmetic in double, for the programs of matrix rules.
struct MatrixKernels {
  static constexpr int side = 64;  // of a tile

  // sum[i][j] += sum_k left[k][i] right[k][j], k ascending, for i < rows and j < columns, rounded up to multiples of 8.
  // Rows of all three are `side` numbers.
  void (*add_product)(const double* left, const double* right, int depth, int rows, int columns, double* sum);
  ByPrecision<linalg::RootOutcome (*)(int n, const void* a, void* result, const linalg::InverseRoot&,
                                      const linalg::EigenWorkspace&)>
      inverse_root;
  ByPrecision<linalg::RootOutcome (*)(int n, const void* a, void* result, double* error, const linalg::CoupledNewton&,
                                      const linalg::NewtonWorkspace&)>
      coupled_newton;
};

// The kernels of one instruction set.
class Kernels {
 public:
  // The best this processor can run; the environment variable OPTIM_CPU_ISA (v2, v3, v4) asks for a lesser one.
  static Kernels for_this_processor();

  const char* instruction_set() const;
  const GenericKernels& generic() const;
  const MatrixKernels& matrix() const;
  const RuleKernels& rule(int index) const;  // index in the registry

 private:
  explicit Kernels(int isa) : isa_(isa) {}
  int isa_;
};

}  // namespace optim::cpu
