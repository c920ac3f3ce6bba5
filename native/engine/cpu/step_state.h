// What the passes of one step share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "core/cohorts.h"
#include "core/plan.h"
#include "core/tiling.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/streams.h"
#include "helpers/pipeline.h"

namespace optim::cpu {

struct alignas(16) ScalarBytes {
  unsigned char bytes[max_scalars];
};

// Of one row or tensor, in the arithmetic of the step.
union MapStorage {
  GradientMap<float> in_float;
  GradientMap<double> in_double;
};

// A cohort, and what its tensors have in common in the step that is being made.
struct CohortStep : Cohort {
  double lr = 0;
  bool swapped = false;      // the alternating slots have changed places
  bool looks_ahead = false;  // Lookahead blends
  bool plain = false;        // without measured gradients, its map is a scale
  ScalarBytes scalars[2];    // of float and of double arithmetic
  MapStorage map;            // of all its tensors, in a step without measured gradients
  StepCounts made;           // with this step

  explicit CohortStep(const Cohort& cohort) : Cohort(cohort), made(cohort.counts) {}
};

struct StepState {
  const Plan& plan;
  Kernels kernels;
  int threads;
  bool in_double;
  std::int64_t tile_length;  // elements
  std::vector<TensorStreams> streams;
  std::vector<CohortStep> cohorts;
  std::vector<Scratch> scratch;  // by thread

  // What the helpers made of this step's gradients.
  double unscale = 1;
  bool pulls_back = false;  // Lookahead changes the first moment in this step
  bool measured = false;    // the maps follow from this step's gradients and parameters
  bool by_row = false;      // they differ from row to row
  GlobalFacts facts{};
  std::vector<Moments> moments;         // by row
  std::vector<RowMap> rows;             // by row
  std::vector<std::int64_t> first_row;  // of each tensor, among all
  std::vector<TensorMap> tensors;

  StepState(const Plan& p, int thread_count);

  const RuleInfo& rule() const { return plan.rule(); }
  int slots() const { return static_cast<int>(rule().slots.size()); }
  std::size_t element_size() const { return in_double ? sizeof(double) : sizeof(float); }

  // At even steps, a rule's alternating slots.
  void swap_alternating(std::int32_t cohort, Piece& piece) const {
    const AlternatingSlots& slots = rule().alternating;
    if (cohorts[cohort].swapped) std::swap(piece.state[slots.active], piece.state[slots.resting]);
  }

  MapStorage map(std::int32_t tensor, std::int64_t row) const;
  MapStorage make_map(int group, const RowMap& row, double tensor_scale) const;
  // Scalars of a tensor; in double for the sums' functions. Where the rule adapts them to the tensor, that is done in `room`.
  const void* scalars(std::int32_t tensor, bool as_double, ScalarBytes& room) const;

  // The shortest loops that step a tensor, whose map is that of its cohort unless gradients were measured.
  Loops loops(std::int32_t tensor) const {
    const TensorStreams& of = streams[tensor];
    const bool plain = of.loops == Loops::lean && !measured && cohorts[of.cohort].plain;
    return plain ? Loops::plain : of.loops;
  }

  // Stores what a step made of the elements [begin, begin + count) of a parameter of 16 bits.
  void narrow_param(std::int32_t tensor, const void* wide, std::int64_t begin, std::int64_t count) const;

  // body(offset in the tile, count, row within the tensor) for every part of a tile with one map.
  template <class Body>
  void for_parts(const Tile& tile, const Body& body) const {
    const std::int64_t whole = plan.tensors()[tile.tensor].param.extent.count;
    for_parts(tile, whole, [&](std::int64_t offset, std::int64_t count, std::int64_t row, std::int64_t) {
      body(offset, count, row);
    });
  }

  // body(offset, count, row, unit within the tensor) likewise; where the maps differ from row to row, a part is also of one unit.
  template <class Body>
  void for_parts(const Tile& tile, std::int64_t unit_length, const Body& body) const {
    const std::int64_t row_length = plan.tensors()[tile.tensor].param.extent.row_length;
    if (!by_row) {
      body(std::int64_t{0}, std::int64_t{tile.count}, std::int64_t{0}, tile.unit);
      return;
    }
    const std::int64_t tile_end = tile.begin + tile.count;
    for (std::int64_t begin = tile.begin; begin < tile_end;) {
      const std::int64_t row = begin / row_length, unit = begin / unit_length;
      const std::int64_t end = std::min({tile_end, (row + 1) * row_length, (unit + 1) * unit_length});
      body(begin - tile.begin, end - begin, row, unit);
      begin = end;
    }
  }

  // body(tile, this thread's scratch) for all tiles, on all threads. Small work stays on the caller's thread.
  template <class Body>
  void for_tiles(const Tiling& tiling, const Body& body);

  // body(first, end, this thread's scratch) likewise, for ranges of tiles that begin where runs do.
  template <class Body>
  void for_ranges(const Tiling& tiling, const Body& body);

  // body(index) likewise, for independent items.
  template <class Body>
  void for_items(std::int64_t count, bool worthwhile, const Body& body) const;
};

// Values of a tensor's slots that do not have one number per element, as doubles: those of one row and of the tensor.
void load_unit_slots(const PlanTensor& tensor, const RuleInfo& rule, std::int64_t row, double* values);
void store_unit_slots(const PlanTensor& tensor, const RuleInfo& rule, std::int64_t row, const double* values);

}  // namespace optim::cpu

#include "engine/cpu/parallel.h"
