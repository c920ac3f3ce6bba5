// The program of a matrix rule: primitives of linear algebra that an engine runs for every block of every tensor
// (core/matrix_view.h), between the pass that forms a direction and the pass that steps along it. Operands are the prepared
// gradient G, the direction U and matrix slots; G_j is G unfolded along dimension j to n_j rows.
#pragma once

#include <vector>

#include "core/matrix_view.h"
#include "core/slot.h"

namespace optim {

struct MatrixOperation {
  enum class Kind {
    add_gram,      // slot_j = keep * slot_j + add * G_j G_j^T
    inverse_root,  // slot_j = source_j^(-1/root), as linalg/inverse_root.h says of floor and ridge
    contract,      // U = U x_j slot_j
  };
  static constexpr int always = -1;

  Kind kind;
  int stage;      // bit of due() that must be set, or always
  int dimension;  // j
  int slot;
  int source;
  double keep, add;
  double root, floor, ridge;
};

// Smallest eigenvalue that a root is taken of, or what is added to all eigenvalues relative to the largest.
struct Floor {
  double value;
};
struct Ridge {
  double value;
};

template <class S>
class ProgramBuilder {
 public:
  explicit ProgramBuilder(std::vector<MatrixOperation>& operations) : operations_(operations) {}

  template <class Slot>
  void add_gram(Slot, int dimension, double keep, double add, int stage = MatrixOperation::always) {
    operations_.push_back(
        {MatrixOperation::Kind::add_gram, stage, dimension, S::template index<Slot>, -1, keep, add, 0, 0, 0});
  }

  template <class Slot, class Source>
  void inverse_root(Slot, Source, int dimension, double root, Floor floor, int stage = MatrixOperation::always) {
    operations_.push_back({MatrixOperation::Kind::inverse_root, stage, dimension, S::template index<Slot>,
                           S::template index<Source>, 0, 0, root, floor.value, 0});
  }
  template <class Slot, class Source>
  void inverse_root(Slot, Source, int dimension, double root, Ridge ridge, int stage = MatrixOperation::always) {
    operations_.push_back({MatrixOperation::Kind::inverse_root, stage, dimension, S::template index<Slot>,
                           S::template index<Source>, 0, 0, root, 0, ridge.value});
  }

  template <class Slot>
  void contract(Slot, int dimension, int stage = MatrixOperation::always) {
    operations_.push_back(
        {MatrixOperation::Kind::contract, stage, dimension, S::template index<Slot>, -1, 0, 0, 0, 0, 0});
  }

 private:
  std::vector<MatrixOperation>& operations_;
};

}  // namespace optim
