// The buffers of one tensor as the kernels read them: tile by tile, widened to the arithmetic of the step where their storage type is
// another, narrowed back where they were written. Buffers of the right type are worked on in place.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "core/plan.h"
#include "core/tiling.h"
#include "engine/cpu/kernels.h"

namespace optim::cpu {

struct StepState;

// Elements of a tile. Where streams are widened, their widened tiles stay in the first level of cache.
constexpr std::int64_t tile_in_place = 4096, tile_widened = 1024;

struct Stream {
  void* data = nullptr;  // null: absent
  DType dtype = DType::f32;
};

// A stream of a piece: the parameter, the gradient or a slot.
constexpr int param_stream = -2, grad_stream = -1;
void*& stream_of(Piece& piece, int index);

// What the step of a small tensor needs comes first, in one line of cache for most rules.
struct alignas(64) TensorStreams {
  std::int32_t cohort;  // the executor sets it
  Loops loops;          // lean where all conditional slots are absent
  bool complete;        // no stream is absent that a loop would touch
  bool in_place;        // nothing is stored in 16 bits
  // The tensor as kernels take it; null where a stream has to be widened. The executor adds scalars and map of the cohort.
  Piece whole;
  struct Widened {
    Stream stored;
    int index;  // as of stream_of
    bool written;

    void* at(std::int64_t element) const { return static_cast<std::uint16_t*>(stored.data) + element; }
  };
  int widened_count = 0;
  Widened widened[max_slots + 2];
  Stream param, grad, state[max_slots], slow, slow_momentum;
  Stream narrow_param;  // the parameter, if it is stored in 16 bits: beside `param` where that is its master weights

  TensorStreams(const PlanTensor& tensor, const RuleInfo& rule);

  // Asks for the beginning of every stream: among many small tensors no other hint tells the processor where the next one is.
  void prefetch() const;
};

// One thread's room for widened tiles.
class Scratch {
 public:
  static constexpr int streams = max_slots + 4;

  Scratch() : memory_(static_cast<unsigned char*>(::operator new(bytes, alignment))) {
    std::memset(memory_.get(), 0, bytes);
  }
  void* stream(int index) const { return memory_.get() + half_page + static_cast<std::size_t>(index) * stride; }
  void* zeros() const { return stream(streams); }  // for kernels that only read them

 private:
  // Tiles of ordinary buffers begin at the same place in a page. Half a page away, a store to this room does not look to the
  // processor like one to an address that is about to be loaded (4 KiB aliasing); an odd number of lines between streams keeps
  // them out of each other's cache sets.
  static constexpr std::size_t half_page = 2048, odd_lines = 5 * 64;
  static constexpr std::size_t stride = tile_in_place * sizeof(double) + odd_lines;
  static constexpr std::size_t bytes = (streams + 1) * stride + half_page;
  static constexpr std::align_val_t alignment{2 * half_page};
  struct Release {
    void operator()(unsigned char* memory) const { ::operator delete(memory, alignment); }
  };
  std::unique_ptr<unsigned char, Release> memory_;
};

// The part of a piece that begins `offset` elements into it.
Piece part_of(const Piece& piece, std::int64_t offset, std::int64_t count, bool in_double);

// One tile of a tensor, open for kernels: `piece` has its streams in the arithmetic of the step. Of what is absent or
// not touched by the pass, parameter and gradient are zeros, and states are room that nobody reads.
class OpenTile {
 public:
  OpenTile(const StepState& state, const Tile& tile, const Pass& pass, Scratch& scratch);
  void close();  // narrows what was written

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
  const StepState& state_;
  bool writes_param_;
  Scratch& scratch_;
  Piece whole_{};
  Opened opened_[Scratch::streams];
  int opened_count_ = 0;
};

}  // namespace optim::cpu
