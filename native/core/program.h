// The program of a matrix rule: primitives of linear algebra that an engine runs for every tensor, between the pass that forms a
// direction and the pass that steps along it. Operands are the prepared gradient G, the direction U and matrix slots; G_j is G
// unfolded along dimension j to n_j rows.
#pragma once

#include <vector>

#include "core/slot.h"

namespace optim {

struct MatrixOperation {
  enum class Kind {
    add_gram,      // slot_j = keep * slot_j + add * G_j G_j^T
    inverse_root,  // slot_j = source_j^(-1/root), eigenvalues raised to at least floor
    contract,      // U = U x_j slot_j
  };
  static constexpr int always = -1;

  Kind kind;
  int stage;      // bit of due() that must be set, or always
  int dimension;  // j
  int slot;
  int source;
  double keep, add;
  double root, floor;
};

template <class S>
class ProgramBuilder {
 public:
  explicit ProgramBuilder(std::vector<MatrixOperation>& operations) : operations_(operations) {}

  template <class Slot>
  void add_gram(Slot, int dimension, double keep, double add, int stage = MatrixOperation::always) {
    operations_.push_back({MatrixOperation::Kind::add_gram, stage, dimension, S::template index<Slot>, -1, keep, add, 0, 0});
  }

  template <class Slot, class Source>
  void inverse_root(Slot, Source, int dimension, double root, double floor, int stage = MatrixOperation::always) {
    operations_.push_back({MatrixOperation::Kind::inverse_root, stage, dimension, S::template index<Slot>,
                           S::template index<Source>, 0, 0, root, floor});
  }

  template <class Slot>
  void contract(Slot, int dimension) {
    operations_.push_back({MatrixOperation::Kind::contract, MatrixOperation::always, dimension, S::template index<Slot>, -1, 0, 0,
                           0, 0});
  }

 private:
  std::vector<MatrixOperation>& operations_;
};

}  // namespace optim
