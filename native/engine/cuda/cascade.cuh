// How a kernel finishes the sums of its tiles by itself (engine/cuda/tables.h, Node). What a node's value is depends
// only on the values below it, so results do not depend on the grid, nor on the order in which blocks finish.
#pragma once

#include "engine/cuda/reduce.cuh"

namespace optim::cuda {

// The tiles of one block, in the order in which it takes them: a range, so that it arrives at few nodes. A pass that
// reads what the one before it read takes all tiles in the opposite order: the last of them are in the L2 cache.
class TileRange {
 public:
  __device__ TileRange(std::int64_t tiles, bool reversed)
      : next_(static_cast<std::int32_t>(tiles * blockIdx.x / gridDim.x)),
        end_(static_cast<std::int32_t>(tiles * (blockIdx.x + 1) / gridDim.x)),
        last_(reversed ? static_cast<std::int32_t>(tiles - 1) : -1) {}

  // Likewise, of whole runs.
  __device__ TileRange(const TilingView& tiling, bool reversed) : TileRange(tiling.tile_count, reversed) {
    next_ = edge(tiling, next_);
    end_ = edge(tiling, end_);
  }

  __device__ bool done() const { return next_ == end_; }
  __device__ void advance() { ++next_; }
  __device__ std::int64_t tile() const { return last_ < 0 ? next_ : last_ - next_; }

 private:
  // The first place from this one on that divides no run.
  __device__ std::int32_t edge(const TilingView& tiling, std::int32_t place) const {
    const auto count = static_cast<std::int32_t>(tiling.tile_count);
    const std::int32_t tile = last_ < 0 ? place : count - place;
    if (tile == 0 || tile == count) return place;
    const auto begin = static_cast<std::int32_t>(next_run(tiling.tiles, tiling.tensors, tile));
    return last_ < 0 ? begin : count - begin;
  }

  std::int32_t next_, end_, last_;
};

// Adds to a ticket what this block has done; true in the block after which nothing is missing, which then sees all that
// the others wrote, and leaves the ticket as it was before the kernel. All threads take part.
__device__ inline bool arrive(unsigned int* ticket, unsigned int arrived, unsigned int expected) {
  OPTIM_SHARED(last, bool);
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicAdd(ticket, arrived) + arrived == expected;
    if (last) *ticket = 0;
    __threadfence();
  }
  __syncthreads();
  return last;
}

// The arguments of a kernel in shared memory, for functions that are not inlined. All threads.
template <class Arguments>
__device__ __forceinline__ const Arguments& keep(const Arguments& arguments) {
  struct alignas(16) Bytes {
    unsigned char bytes[sizeof(Arguments)];
  };
  OPTIM_SHARED(kept, Bytes);
  if (threadIdx.x == 0) __builtin_memcpy(kept.bytes, &arguments, sizeof arguments);
  __syncthreads();
  return reinterpret_cast<const Arguments&>(kept);
}

// Announces that so many of the values below a node have been written, and goes up as far as this block is the last;
// whether it came to the node of a tensor. Not inlined, as all that a block does seldom: passes need the registers.
template <class Merging, class Arguments>
__device__ __attribute__((noinline)) bool ascend(const Arguments& arguments, std::int32_t index, unsigned int arrived) {
  const Merging merging{arguments};
  const CascadeView& view = arguments.cascade;
  for (;;) {
    const Node node = view.nodes[index];
    const auto children = static_cast<unsigned>(node.children);
    if (arrived < children && !arrive(view.tickets + index, arrived, children)) return false;
    __syncthreads();
    merging.merge(node, index);
    if (node.parent < 0) return true;
    index = node.parent;
    arrived = 1;
  }
}

template <class Merging, class Arguments>
__device__ __attribute__((noinline)) void ascend_to_all(const Arguments& arguments, unsigned int tensors) {
  const CascadeView& view = arguments.cascade;
  if (arrive(view.tickets + view.node_count, tensors, static_cast<unsigned>(view.tensors)))
    Merging{arguments}.merge_all();
}

// What one block has yet to announce. Merging is a struct made of the arguments, with
//
//   merge(node, index)  all threads: makes the value of a node of those below it
//   merge_all()         likewise of all tensors
//   leave_out(tensor)   makes zeros the value of a tensor
//
// Values are written by thread 0, also those of the tiles.
template <class Merging, class Arguments>
class Cascade {
 public:
  // arguments: kept. whole: up to all tensors.
  __device__ Cascade(const Arguments& arguments, bool whole) : arguments_(arguments), whole_(whole) {}

  // A tile's value has been written.
  __device__ __forceinline__ void add(std::int64_t tile) {
    const std::int32_t node = arguments_.cascade.parents[tile];
    if (node != node_) flush();
    node_ = node;
    ++arrived_;
  }

  // Of a tensor without sums, which counts as zeros for all tensors.
  __device__ __forceinline__ void leave_out(const Tile& tile) {
    if (!whole_ || tile.begin != 0) return;
    Merging{arguments_}.leave_out(tile.tensor);
    ++tensors_;
  }

  // After the last tile.
  __device__ __forceinline__ void finish() {
    flush();
    if (whole_ && tensors_ > 0) ascend_to_all<Merging>(arguments_, tensors_);
  }

 private:
  __device__ __forceinline__ void flush() {
    if (arrived_ > 0 && ascend<Merging>(arguments_, node_, arrived_)) ++tensors_;
    arrived_ = 0;
  }

  const Arguments& arguments_;
  bool whole_;
  std::int32_t node_ = -1;
  unsigned int arrived_ = 0, tensors_ = 0;
};

// The merged value of a node's children, in thread 0.
template <class V>
__device__ __forceinline__ V merge_children(const V* values, const Node& node) {
  if (node.children == 1) return threadIdx.x == 0 ? values[node.first] : V{};
  return merge_block(merge_strided(values + node.first, static_cast<std::int64_t>(threadIdx.x), node.children,
                                   std::int64_t{block_threads}));
}

}  // namespace optim::cuda
