// The buffers of one tensor as the kernels read them: tile by tile, widened to the arithmetic of the step where their storage type is
// another, narrowed back where they were written. Buffers of the right type are worked on in place.
#pragma once

#include <cstdint>
#include <vector>

#include "core/plan.h"
#include "core/tiling.h"
#include "engine/cpu/kernels.h"

namespace optim::cpu {

constexpr std::int64_t tile_length = 2048;  // a widened tile of every stream stays in the first two levels of cache

struct Stream {
  void* data = nullptr;  // null: absent
  DType dtype = DType::f32;
};

struct TensorStreams {
  Stream param, grad, state[max_slots], slow, slow_momentum;

  TensorStreams(const PlanTensor& tensor, const RuleInfo& rule);
};

// One thread's room for widened tiles.
class Scratch {
 public:
  static constexpr int streams = max_slots + 4;

  Scratch() : memory_(static_cast<std::size_t>(streams) * tile_length * sizeof(double)) {}
  void* stream(int index) { return memory_.data() + static_cast<std::size_t>(index) * tile_length * sizeof(double); }

 private:
  std::vector<unsigned char> memory_;
};

// One tile of a tensor, open for kernels: `piece` has its streams in the arithmetic of the step. Streams that are absent get room that
// nobody reads.
class OpenTile {
 public:
  OpenTile(const TensorStreams& tensor, const Tile& tile, const Pass& pass, bool writes_grad, int slots, bool in_double,
           const GenericKernels& kernels, Scratch& scratch);
  void close();  // narrows what was written

  // The part of the tile that begins `offset` elements into it.
  Piece part(std::int64_t offset, std::int64_t count) const;
  // The streams of Lookahead; opened only when asked for.
  LookaheadPiece lookahead(int first_moment);

 private:
  struct Opened {
    const Stream* stream;
    void* wide;
    bool write;
  };
  void* open(const Stream& stream, int index, bool read, bool write);
  char* address(const Stream& stream) const;

  const TensorStreams& tensor_;
  const Tile& tile_;
  bool in_double_;
  const GenericKernels& kernels_;
  Scratch& scratch_;
  Piece whole_{};
  Opened opened_[Scratch::streams];
  int opened_count_ = 0;
};

}  // namespace optim::cpu
