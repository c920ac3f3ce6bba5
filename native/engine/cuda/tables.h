// What the CUDA engine keeps in device memory: one entry for each tensor and each parameter group, the state of the
// step, and the tilings. Kernels get the addresses in one block of arguments.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/moments.h"
#include "core/param_storage.h"
#include "core/rule_info.h"
#include "core/tiling.h"
#include "helpers/pipeline.h"

namespace optim::cuda {

constexpr int block_threads = 256;
constexpr int chunk = 8;  // consecutive elements of one thread: 16 bytes of the narrowest storage type
constexpr std::int64_t tile_length = block_threads * chunk;
constexpr std::int64_t fold_width = 256;  // partial results of a unit that one warp merges
constexpr int span_units = block_threads;

struct Stream {
  void* data;  // null: absent; reads give 0, writes are dropped
  DType dtype;
};

struct TensorEntry {
  Extent extent;
  Stream param;         // its master weights where they are kept, and then
  Stream narrow_param;  // the parameter, which steps only write
  Stream grad, slow, slow_momentum;
  Stream element[max_slots];  // slots with one value per element
  Stream unit[max_slots];     // slots with one value per row or per tensor
  std::uint32_t per_row;      // bit i: slot i has one value per row
  std::int32_t group;
  bool present;            // a step does something to it
  std::int64_t workspace;  // where the tensor begins in the arrays of a matrix rule
  bool has_matrices;
};

struct GroupSettings {
  double hypers[max_hypers];
  GroupOptions options;
  Pass gather_pass, apply_pass;  // of a reduced rule
  bool inputs_given;             // the rule's inputs are bound
};

struct alignas(16) ScalarBytes {
  unsigned char bytes[max_scalars];
};

struct GroupEntry {
  GroupSettings settings;
  std::int64_t step;
  std::int64_t input_steps;  // at which the rule's inputs were given
  double lr;                 // of this step
  ScalarBytes scalars[2];  // of float and of double arithmetic
};

struct StepState {
  GlobalFacts facts;
  std::int32_t skip;  // this step changes nothing
};

// Values of first_step, besides the number of its group's step in which a tensor was first stepped.
constexpr std::int64_t never_stepped = 0, stepped_before = -1;

// A run of at most span_units units of one tensor: what one block finishes, a thread for each unit.
struct Span {
  std::int64_t unit;  // the first, within the tensor
  std::int32_t tensor;
  std::int32_t count;
};

struct TilingView {
  const Tile* tiles;
  const TiledTensor* tensors;
  const Span* spans;
  const std::int64_t* first_span;  // of each tensor; one more entry for the end
  std::int64_t tile_count;
  std::int64_t span_count;
  std::int32_t tensor_count;
  bool split;    // some unit has more than one partial result
  bool grouped;  // some tile has more than one unit
};

struct StepTables {
  const TensorEntry* tensors;
  GroupEntry* groups;
  StepState* state;
  std::int64_t* first_step;      // by tensor
  RowMap* rows;                  // by row, or by tensor where the maps do not differ within one; null: identities
  const TiledTensor* row_units;  // where those of a tensor begin
  TensorMap* maps;               // by tensor; null without moments
  const float* grad_scale;       // null: 1
  ParamStorage storage;
  HelperSettings settings;  // of the plan; a group's are in its options
  std::int32_t tensor_count, group_count;
  bool by_row;      // maps differ from row to row
  bool initialize;  // the passes are those of Rule::init: gradients and helpers do not take part
};

}  // namespace optim::cuda
