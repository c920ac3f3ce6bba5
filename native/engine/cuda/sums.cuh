// From the sums of tiles to those of units and tensors, and what a rule makes of them on the way.
#pragma once

#include "engine/cuda/pass.cuh"

namespace optim::cuda {

template <class Rule>
using RuleSums = Sums<Rule::sum_count>;

template <class Rule, class T>
__device__ __forceinline__ void add_terms(const Terms<Rule::sum_count>& terms, RuleSums<Rule>& sums) {
#pragma unroll
  for (int k = 0; k < Rule::sum_count; ++k) sums.value[k] += static_cast<double>(terms.value[k]);
}

// The extent that a rule sees beside its sums: rows are its units where it says how long they are.
template <class Rule>
__device__ inline Extent extent_of_units(const TensorEntry& tensor, const TiledTensor& tiled) {
  Extent extent = tensor.extent;
  if constexpr (has_unit_length<Rule>) extent.row_length = tiled.unit_length;
  return extent;
}

template <class Rule>
struct SumMerging {
  using V = RuleSums<Rule>;
  const PassArguments& arguments;

  __device__ V* values() const { return reinterpret_cast<V*>(arguments.reduced.values); }
  __device__ V* nodes() const { return values() + arguments.tiling.tile_count; }
  __device__ V& unit(std::int32_t tensor, std::int64_t unit) const {
    return reinterpret_cast<V*>(arguments.reduced.units)[arguments.tiling.tensors[tensor].first_unit + unit];
  }
  // What finish is given beside a unit's sums.
  __device__ const V& whole(std::int32_t tensor) const {
    return nodes()[scope_of<Rule>() == Scope::all ? arguments.cascade.node_count : tensor];
  }

  // By one thread. scalars: specialized to the tensor.
  __device__ __forceinline__ void close_unit(std::int32_t index, std::int64_t at,
                                             const ScalarsOf<Rule, double>& scalars, V& sums) const {
    const TensorEntry& tensor = arguments.step.tensors[index];
    if constexpr (has_close_row<Rule>) {
      StateOf<Rule, double> slots{};
      load_unit_slots<Rule>(tensor, at, slots);
      Rule::close_row(sums.value, slots, scalars, extent_of_units<Rule>(tensor, arguments.tiling.tensors[index]));
      store_unit_slots<Rule>(tensor, at, true, slots);
    }
    unit(index, at) = sums;
  }

  __device__ void merge(const Node& node, std::int32_t index) const {
    V sums = merge_children(values(), node);
    if (threadIdx.x != 0) return;
    const StepTables& step = arguments.step;
    if (node.unit >= 0) {
      ScalarsOf<Rule, double> scalars;
      if constexpr (has_close_row<Rule>) specialized_scalars<Rule, double>(step, node.tensor, scalars);
      close_unit(node.tensor, node.unit, scalars, sums);
    }
    if constexpr (has_close_tensor<Rule>) {
      if (node.parent < 0) {
        ScalarsOf<Rule, double> scalars;
        specialized_scalars<Rule, double>(step, node.tensor, scalars);
        const TensorEntry& tensor = step.tensors[node.tensor];
        StateOf<Rule, double> slots{};
        load_unit_slots<Rule>(tensor, 0, slots);
        Rule::close_tensor(sums.value, slots, static_cast<const ScalarsOf<Rule, double>&>(scalars), tensor.extent);
        store_unit_slots<Rule>(tensor, 0, false, slots);
      }
    }
    nodes()[index] = sums;
  }

  __device__ void merge_all() const {
    const V all = merge_block(merge_strided(nodes(), static_cast<std::int64_t>(threadIdx.x),
                                            arguments.step.tensor_count, std::int64_t{block_threads}));
    if (threadIdx.x == 0) nodes()[arguments.cascade.node_count] = all;
  }

  // Of a tensor that takes no part, or whose elements nobody sums.
  __device__ __forceinline__ void leave_out(std::int32_t tensor) const {
    if (threadIdx.x == 0) nodes()[tensor] = V{};
  }

  // A tile of whole units, the sums of which are in the array of units: closes them, and makes the tile's value.
  __device__ __forceinline__ void close_tile(std::int64_t i, const Tile& tile, std::int64_t units) const {
    OPTIM_SHARED(scalars, ScalarsOf<Rule, double>);
    if constexpr (has_close_row<Rule>) {
      if (threadIdx.x == 0) specialized_scalars<Rule, double>(arguments.step, tile.tensor, scalars);
    }
    __syncthreads();
    V total{};
#pragma unroll 1
    for (std::int64_t u = threadIdx.x; u < units; u += block_threads) {
      V sums = unit(tile.tensor, tile.unit + u);
      close_unit(tile.tensor, tile.unit + u, scalars, sums);
      total.merge(sums);
    }
    if (units > 1) total = merge_block(total);
    if (threadIdx.x == 0) values()[i] = total;
  }
};

}  // namespace optim::cuda
