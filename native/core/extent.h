// The sizes of a tensor that rules and helpers may depend on.
#pragma once

#include <cstdint>

namespace optim {

constexpr int max_rank = 8;  // OPTIM_MAX_RANK

struct Extent {
  std::int32_t rank;
  std::int64_t count;       // elements
  std::int64_t rows;        // slices along dimension 0; a tensor of rank 0 or 1 is a single row
  std::int64_t row_length;  // elements of a row
};

// What a rule may know of its group's input buffers at one step.
struct InputFacts {
  bool given;    // bound at this step
  double steps;  // at which they were, this one included
};

// What a rule may know of the tensor it is stepping, besides its elements.
struct TensorFacts {
  Extent extent;
  bool first_step;    // this tensor has not been stepped before
  double adanorm;     // factor on the gradient in the first moment; 1 without AdaNorm
  bool has_matrices;  // a matrix rule's program does something to it
};

}  // namespace optim
