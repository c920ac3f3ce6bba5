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

constexpr std::int64_t tile_length = 4096;  // a widened tile of every stream stays in the first two levels of cache

struct Stream {
  void* data = nullptr;  // null: absent
  DType dtype = DType::f32;
};

struct TensorStreams {
  int group;
  Stream param, grad, state[max_slots], slow, slow_momentum;

  TensorStreams(const PlanTensor& tensor, const RuleInfo& rule);

  // Asks for the beginning of every stream: among many small tensors no other hint tells the processor where the next one is.
  void prefetch() const;
};

// One thread's room for widened tiles.
class Scratch {
 public:
  static constexpr int streams = max_slots + 4;

  Scratch() : memory_(static_cast<unsigned char*>(::operator new(bytes, alignment))) { std::memset(memory_.get(), 0, bytes); }
  void* stream(int index) const { return memory_.get() + half_page + static_cast<std::size_t>(index) * stride; }
  void* zeros() const { return stream(streams); }  // for kernels that only read them

 private:
  // Tiles of ordinary buffers begin at the same place in a page. Half a page away, a store to this room does not look to the
  // processor like one to an address that is about to be loaded (4 KiB aliasing).
  static constexpr std::size_t half_page = 2048;
  static constexpr std::size_t stride = tile_length * sizeof(double);
  static constexpr std::size_t bytes = (streams + 1) * stride + half_page;
  static constexpr std::align_val_t alignment{2 * half_page};
  struct Release {
    void operator()(unsigned char* memory) const { ::operator delete(memory, alignment); }
  };
  std::unique_ptr<unsigned char, Release> memory_;
};

// One tile of a tensor, open for kernels: `piece` has its streams in the arithmetic of the step. Of what is absent or not touched by
// the pass, parameter and gradient are zeros, and states are room that nobody reads.
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
