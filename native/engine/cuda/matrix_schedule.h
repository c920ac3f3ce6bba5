// What a matrix rule's program does, as lists for the device.
#pragma once

#include <cstdint>
#include <vector>

#include "core/plan.h"
#include "linalg/fibres.h"

namespace optim::cuda {

// One operation on one tensor.
struct MatrixItem {
  linalg::Fibres fibres;
  std::int64_t begin;  // of the tensor, in elements of gradient and direction
  void* slot;          // n x n in the arithmetic of the step
  const void* source;
  double keep, add;
  double root, floor;
  std::int32_t tensor;
  std::int32_t stage;
  bool present;

  bool operator==(const MatrixItem& other) const;
};

// The part of an item that one block works on.
struct BlockShare {
  std::int32_t item;
  std::int32_t part;

  bool operator==(const BlockShare& other) const { return item == other.item && part == other.part; }
};

struct MatrixLaunch {
  MatrixOperation::Kind kind;
  std::int32_t first_item, items;
  std::int32_t first_share, shares;  // none for inverse roots: there an item is done by one block
  int largest;                       // n
};

struct MatrixSchedule {
  std::vector<MatrixItem> items;
  std::vector<BlockShare> shares;
  std::vector<MatrixLaunch> launches;

  int largest_root() const;  // n
  int most_roots() const;    // in one launch
};

constexpr int gram_tile = 32;         // rows and columns of a Gram matrix that one block computes
constexpr int panel_elements = 2048;  // of the fibres that one block contracts
constexpr int most_panel_fibres = 256;
constexpr int panel_fibres(int n) {
  const int fit = panel_elements / n;
  return fit < 1 ? 1 : fit > most_panel_fibres ? most_panel_fibres : fit;
}

MatrixSchedule matrix_schedule(const Plan& plan);

// Where every tensor begins in the arrays of prepared gradients and directions, in elements: the tensors in order,
// whether present or not, each at the next multiple of a chunk; and the total.
std::vector<std::int64_t> workspace_begin(const Plan& plan);

}  // namespace optim::cuda
