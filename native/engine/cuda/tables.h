// What the CUDA engine keeps in device memory: one entry for each tensor, parameter group and cohort, the state of the
// step, and the tilings. Kernels get the addresses in one block of arguments.
#pragma once

#include <cstdint>

#include "core/cohorts.h"
#include "core/dtype.h"
#include "core/moments.h"
#include "core/param_storage.h"
#include "core/rule_info.h"
#include "core/tiling.h"
#include "helpers/pipeline.h"

namespace optim::cuda {

constexpr int block_threads = 256;
constexpr int warp_threads = 32;
constexpr int block_warps = block_threads / warp_threads;
constexpr int chunk = 8;  // consecutive elements of one thread: 16 bytes of the narrowest storage type
constexpr std::int64_t tile_length = block_threads * chunk;
constexpr std::int64_t run_length = 256;  // values of a cascade that are merged at once

// What a block gathers and then applies at once is to be found in the L2 cache the second time: an H200 has 50 MB of it,
// and 132 multiprocessors with two blocks each, 33 MiB (an A100 40 MB, and 108: 27 MiB). Four tiles of four f32 streams.
constexpr std::int64_t chip_bytes = 128 << 10;
static_assert(chip_bytes / 4 <= run_length * tile_length / 2, "the values of a run's tiles are merged at once");

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
  std::int32_t group, cohort;
  bool present;            // a step does something to it
  bool reduced;            // by gather and apply, rather than by update
  std::int64_t workspace;  // where the tensor begins in the arrays of a matrix rule
  bool has_matrices;
};

struct GroupSettings {
  double hypers[max_hypers];
  GroupOptions options;
  Pass gather_pass, apply_pass;  // of a reduced rule
};

struct alignas(16) ScalarBytes {
  unsigned char bytes[max_scalars];
};

// A cohort with the counts of its tensors. Whatever follows from them and the settings of the group is worked out when one of
// them changes, for the step that comes next: by the last block of a step (engine/cuda/advance.cuh) or by what sets a value
// (engine/cuda/control.h).
struct CohortEntry : Cohort {
  double lr;               // of the next step
  ScalarBytes scalars[2];  // of the next step, in the plan's arithmetic and in double
};

struct StepState {
  GlobalFacts facts;
  std::int32_t skip;           // by the gradients: this step changes nothing
  std::int32_t skips_program;  // for the program of a matrix rule: for any reason
  std::int32_t cohort_count;
  unsigned int blocks_finished;  // of the last kernel of a step
};

struct TilingView {
  const Tile* tiles;
  const TiledTensor* tensors;
  std::int64_t tile_count;
  std::int32_t tensor_count;
  bool grouped;  // some tile has more than one unit
};

// The turns in which a pass that sums nothing takes the tiles. Those that one warp has threads enough for come last, and
// the warps of a block take one each: of many small tensors, what costs time is to look each of them up.
struct TileTurns {
  const std::int32_t* tiles;  // large ones first; null: all of them, in order, a block each
  std::int64_t large, count;  // turns with a tile for the whole block; in all
};

// Sums of tiles become those of units, tensors and all tensors within the kernel that computes them: the block that
// adds the last value below a node merges them all, in order, and goes on to the node above. (engine/cuda/cascade.cuh)
// Values are those of the tiles, then those of the nodes, then the one of all tensors.
struct Node {
  std::int64_t first;  // child, among the values
  std::int64_t unit;   // that it completes, within the tensor; -1: none
  std::int32_t children;
  std::int32_t parent;  // of a tensor's node: none
  std::int32_t tensor;
};

struct CascadeView {
  const Node* nodes;            // the first are those of the tensors
  const std::int32_t* parents;  // of the tiles: nodes
  unsigned int* tickets;        // of the nodes, and of all tensors: how much has arrived; 0 between kernels
  std::int64_t node_count;
  std::int32_t tensors;  // that have tiles
};

struct StepTables {
  const TensorEntry* tensors;
  const GroupSettings* groups;
  CohortEntry* cohorts;
  StepState* state;
  const Moments* moments;           // by unit of the helpers' tiling; null: none were taken
  const TiledTensor* moment_units;  // where those of a tensor begin
  TensorMap* maps;                  // by tensor; null: identities
  const float* grad_scale;          // null: 1
  const float* found_inf;           // null: 0
  ParamStorage storage;
  HelperSettings settings;  // of the plan; a group's are in its options
  std::int32_t tensor_count;
  bool measured;    // state->skip is of this step
  bool mapped;      // helpers have an affine map for each unit; without, gradients only change sign and scale
  bool by_row;      // units of the maps are rows, else tensors
  bool initialize;  // the passes are those of Rule::init: gradients and helpers do not take part
};

}  // namespace optim::cuda
