// The two passes of a reduced rule over the elements (or of the initialization of any rule). The first also steps the
// tensors that the rule does not reduce, and makes the second over runs of tiles as soon as they are summed.
#pragma once

#include "engine/cuda/sums.cuh"
#include "engine/cuda/update.cuh"

namespace optim::cuda {

// Shared memory of a gather for the runs of tiles of several units; rows follow.
template <class Rule>
__host__ __device__ constexpr std::size_t runs_bytes(bool grouped) {
  return grouped ? 2 * block_threads * sizeof(RuleSums<Rule>) : 0;
}

// What a gather merges: sums of the rule, or those of a probe.
template <class Rule>
struct GatherMerging {
  const PassArguments& arguments;

  __device__ void merge(const Node& node, std::int32_t index) const {
    if (is_probe<Rule>(arguments)) {
      ProbeMerging{arguments}.merge(node, index);
    } else {
      SumMerging<Rule>{arguments}.merge(node, index);
    }
  }
  __device__ void merge_all() const {
    if (is_probe<Rule>(arguments)) {
      ProbeMerging{arguments}.merge_all();
    } else {
      SumMerging<Rule>{arguments}.merge_all();
    }
  }
  __device__ __forceinline__ void leave_out(std::int32_t tensor) const {
    if (is_probe<Rule>(arguments)) {
      ProbeMerging{arguments}.leave_out(tensor);
    } else {
      SumMerging<Rule>{arguments}.leave_out(tensor);
    }
  }
};

// The factors of some units of a tensor. By all threads.
template <class Rule, class T>
__device__ __attribute__((noinline)) void store_factors(const PassArguments& arguments, std::int32_t index,
                                                        std::int64_t first, int count,
                                                        typename Rule::template Factors<T>* factors) {
  OPTIM_SHARED(scalars, ScalarsOf<Rule, double>);
  if (threadIdx.x == 0) specialized_scalars<Rule, double>(arguments.step, index, scalars);
  __syncthreads();
  const SumMerging<Rule> sums{arguments};
  const Extent extent = extent_of_units<Rule>(arguments.step.tensors[index], arguments.tiling.tensors[index]);
  const double* const whole = rows_alone<Rule> ? nullptr : sums.whole(index).value;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < count; i += block_threads) {
    factors[i] = Rule::template finish<T>(sums.unit(index, first + i).value, whole,
                                          static_cast<const ScalarsOf<Rule, double>&>(scalars), extent);
  }
}

// The factors of the units of a tile: of the only one in shared memory, of several in the array of all units.
template <class Rule, class T>
class TileFactors {
 public:
  using Factors = typename Rule::template Factors<T>;

  // arguments: kept. shared: of the block.
  __device__ TileFactors(const PassArguments& arguments, Factors& shared) : arguments_(arguments), shared_(shared) {}

  // All threads.
  __device__ __forceinline__ void open(const Tile& tile) {
    const TiledTensor& tiled = arguments_.tiling.tensors[tile.tensor];
    single_ = tiled.unit_length >= tile.count;
    length_ = single_ ? 0 : static_cast<std::int32_t>(tiled.unit_length);
    if (single_ && tile.tensor == tensor_ && tile.unit == unit_) return;
    tensor_ = single_ ? tile.tensor : -1;
    unit_ = tile.unit;
    all_ = static_cast<Factors*>(arguments_.reduced.factors) + tiled.first_unit;
    __syncthreads();  // nobody needs the factors of the tile before
    store_factors<Rule, T>(arguments_, tile.tensor, tile.unit, single_ ? 1 : tile.count / length_,
                           single_ ? &shared_ : all_ + tile.unit);
    __syncthreads();
  }

  // body(j, factors) for this thread's elements.
  template <class Body>
  __device__ __forceinline__ void for_each(const Position& at, const Body& body) const {
    if (at.count == 0) return;
    const std::int64_t unit = single_ ? 0 : at.first / length_;
    const Factors* next = single_ ? &shared_ : all_ + unit;
    Factors factors = *next;
    int left = single_ ? chunk : static_cast<int>((unit + 1) * length_ - at.first);
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j >= at.count) continue;
      if (left == 0) {
        factors = *++next;
        left = length_;
      }
      --left;
      body(j, static_cast<const Factors&>(factors));
    }
  }

 private:
  const PassArguments& arguments_;
  Factors& shared_;
  Factors* all_ = nullptr;
  std::int64_t unit_ = -1;
  std::int32_t tensor_ = -1;  // with unit_: whose factors are in shared memory
  std::int32_t length_ = 0;   // of one of several units
  bool single_ = false;
};

// What apply has to load.
template <class Rule>
__device__ __forceinline__ Pass apply_loads(const StepTables& step, const TensorEntry& tensor) {
  Pass pass = step.groups[tensor.group].apply_pass;
  pass.reads_param = true;
  pass.reads_state = pass.reads_state || step.settings.pullback != Pullback::none;
  return pass;
}

// The second pass over a tile, whose sums are known.
template <class Rule, class T>
__device__ __forceinline__ void apply_tile(const PassArguments& arguments, const Tile& tile, Opener<Rule, T>& opener,
                                           TileFactors<Rule, T>& factors) {
  const StepTables& step = arguments.step;
  const TensorEntry& tensor = step.tensors[tile.tensor];
  const Position at(tile);
  const Pass pass = apply_loads<Rule>(step, tensor);
  opener.open_maps(tile);
  factors.open(tile);
  Raw<T> raw_p, raw_g;
  StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
  load(raw_p, tensor.param, at.first, at.count);
  load(raw_g, tensor.grad, at.first, pass.reads_grad ? at.count : 0);
  state.fetch(tensor, at, pass);
  const TileContext<Rule, T>& context = opener.open(tile);
  const ScalarsOf<Rule, T> scalars = context.scalars;
  T p[chunk], g[chunk];
  widen(raw_p, tensor.param.dtype, p);
  widen(raw_g, tensor.grad.dtype, g);
  state.open(tensor);
  state.save(p);
  opener.map(at, p, g);
  factors.for_each(at, [&](int j, const typename Rule::template Factors<T>& f) {
    StateOf<Rule, T> s;
    state.get(j, s);
    Rule::apply(p[j], g[j], s, scalars, f);
    if constexpr (apply_writes_state<Rule>) state.put(j, s);
  });
  if (context.looks_ahead) {
    look_ahead<Rule, T>(step, tensor, at, p, state);
    constexpr int moment = Traits<Rule>::first_moment;
    if constexpr (moment >= 0 && !apply_writes_state<Rule>) {
      if (step.settings.pullback != Pullback::none) {
        store_values(state.value[moment], tensor.element[moment], at.first, at.count);
      }
    }
  }
  store_param(step, tensor, at, p);
  if constexpr (apply_writes_state<Rule>) state.write(tensor, at);
}

// The first pass over tile i.
template <class Rule, class T>
__device__ __forceinline__ void gather_tile(const PassArguments& arguments, std::int64_t i, const Tile& tile,
                                            Opener<Rule, T>& opener, RuleSums<Rule>* heads) {
  using V = RuleSums<Rule>;
  const StepTables& step = arguments.step;
  const TiledTensor& tiled = arguments.tiling.tensors[tile.tensor];
  const TensorEntry& tensor = step.tensors[tile.tensor];
  const Position at(tile);
  const bool probes = is_probe<Rule>(arguments);
  const GroupSettings& group = step.groups[tensor.group];
  const Pass pass = probes ? probe_pass<Rule>(group) : group.gather_pass;
  opener.open_maps(tile);
  Raw<T> raw_p, raw_g;
  StateChunk<Rule, T> state(is_swapped<Rule>(step, tensor));
  load(raw_p, tensor.param, at.first, pass.reads_param ? at.count : 0);
  load(raw_g, tensor.grad, at.first, pass.reads_grad ? at.count : 0);
  state.fetch(tensor, at, pass);
  const TileContext<Rule, T>& context = opener.open(tile);
  const ScalarsOf<Rule, T> scalars = context.scalars;
  T p[chunk], g[chunk];
  widen(raw_p, tensor.param.dtype, p);
  widen(raw_g, tensor.grad.dtype, g);
  state.open(tensor);
  state.save(p);
  opener.map(at, p, g);

  const SumMerging<Rule> merging{arguments};
  const bool single = tiled.unit_length >= tile.count;
  const UnitRuns<V> runs(tile, single ? tile.count : tiled.unit_length, &merging.unit(tile.tensor, tile.unit));
  V sums{};
  int run = chunk_begin();  // where the run of elements in sums began
  int end = runs.unit_end(run);
#pragma unroll
  for (int j = 0; j < chunk; ++j) {
    if (j >= at.count) continue;
    StateOf<Rule, T> s;
    state.get(j, s);
    add_terms<Rule, T>(Rule::gather(p[j], g[j], s, scalars), sums);
    state.put(j, s);
    const int next = chunk_begin() + j + 1;
    if (!single && (next == end || j + 1 == at.count)) {
      if (!probes) runs.hand_over(run, next, sums, heads, heads + block_threads);
      sums = V{};
      run = next;
      end = runs.unit_end(next);
    }
  }
  if (probes) {
    store_probe<Rule, T>(state, at, i, tensor, arguments);
    return;
  }
  if (pass.writes_state) state.write(tensor, at);
  if (single) {
    sums = merge_block(sums);
    if (threadIdx.x == 0)
      (tiled.partials_per_unit > 1 ? merging.values()[i] : merging.unit(tile.tensor, tile.unit)) = sums;
  } else {
    runs.combine(heads, heads + block_threads);
  }
  if (tiled.partials_per_unit == 1) merging.close_tile(i, tile, single ? 1 : tile.count / tiled.unit_length);
}

// Sums what the tiles [first, first + run_tiles) left, which are a run. All of them are this block's: nobody is waited
// for.
template <class Rule>
__device__ __attribute__((noinline)) void close_run(const PassArguments& arguments, std::int64_t first) {
  const CascadeView& view = arguments.cascade;
  const SumMerging<Rule> merging{arguments};
  const std::int32_t index = arguments.tiling.tiles[first].tensor;
  const TiledTensor& tiled = arguments.tiling.tensors[index];
  if (tiled.partials_per_unit > 1) {
    for (std::int64_t i = first; i < first + tiled.run_tiles; i += tiled.partials_per_unit) {
      __syncthreads();
      merging.merge(view.nodes[view.parents[i]], view.parents[i]);
    }
  }
  __syncthreads();
  if (!rows_alone<Rule>) merging.merge(view.nodes[index], index);
}

// The second pass over a run whose last tile, in the order of the first pass, was tile i. It goes back, since what was
// gathered last is nearest.
template <class Rule, class T>
__device__ __forceinline__ void step_run(const PassArguments& arguments, const PassArguments& kept, std::int64_t i,
                                         std::int32_t run_tiles, Opener<Rule, T>& opener,
                                         TileFactors<Rule, T>& factors) {
  const std::int64_t back = arguments.reversed ? 1 : -1;
  close_run<Rule>(kept, arguments.reversed ? i : i - run_tiles + 1);
  if constexpr (has_close_tensor<Rule>) opener.forget();
#pragma unroll 1
  for (std::int32_t k = 0; k < run_tiles; ++k, i += back) {
    const Tile tile = arguments.tiling.tiles[i];
    apply_tile<Rule, T>(arguments, tile, opener, factors);
  }
}

// Initializes: Rule is the initialization of a rule, whose passes over all tensors that it has to do with are apart.
template <class Rule, class T, bool Initializes>
__global__ void __launch_bounds__(block_threads, blocks_at_least<T>) gather(PassArguments arguments) {
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  constexpr bool updates = !Initializes && has_update<Rule>;  // the tensors that the rule does not reduce
  const PassArguments& kept = keep(arguments);
  OPTIM_SHARED(contexts, TileContext<Rule, T>[2]);
  OPTIM_DYNAMIC_SHARED(memory, unsigned char);
  auto* const heads = reinterpret_cast<RuleSums<Rule>*>(memory);
  auto* const rows = reinterpret_cast<RowMap*>(memory + runs_bytes<Rule>(arguments.tiling.grouped));
  Opener<Rule, T> opener(kept.step, arguments.probe == nullptr, contexts, rows);
  OPTIM_SHARED(shared_factors, typename Rule::template Factors<T>);
  TileFactors<Rule, T> factors(kept, shared_factors);
  const bool probes = is_probe<Rule>(arguments);
  Cascade<GatherMerging<Rule>, PassArguments> cascade(kept, probes || scope_of<Rule>() == Scope::all);
  std::int32_t gathered = 0;  // tiles of a run
  for (TileRange range(arguments.tiling, arguments.reversed); !range.done(); range.advance()) {
    const std::int64_t i = range.tile();
    const Tile tile = arguments.tiling.tiles[i];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    const bool part = takes_part(step, tensor), sums = !updates || tensor.reduced;
    if (part && sums) gather_tile<Rule, T>(arguments, i, tile, opener, heads);
    if constexpr (updates) {
      if (part && !sums) update_tile<Rule, T>(arguments, i, tile, opener, false);
    }
    const std::int32_t run_tiles = arguments.tiling.tensors[tile.tensor].run_tiles;
    if (!part || !(sums || probes)) {
      cascade.leave_out(tile);
    } else if (probes || run_tiles == 0) {
      cascade.add(i);
    } else if (++gathered == run_tiles) {
      if constexpr (!Initializes) step_run<Rule, T>(arguments, kept, i, run_tiles, opener, factors);
      gathered = 0;
    }
  }
  cascade.finish();
  if (arguments.advances && !probes) advance<Rule, T>(kept.step);
}

template <class Rule, class T, bool Initializes>
__global__ void __launch_bounds__(block_threads, stepping_blocks<Rule, T>) apply(PassArguments arguments) {
  using Factors = typename Rule::template Factors<T>;
  const StepTables& step = arguments.step;
  if (is_skipped(step)) return;
  const PassArguments& kept = keep(arguments);
  OPTIM_SHARED(contexts, TileContext<Rule, T>[2]);
  OPTIM_SHARED(shared_factors, Factors);
  OPTIM_DYNAMIC_SHARED(rows, RowMap);
  Opener<Rule, T> opener(kept.step, true, contexts, rows);
  TileFactors<Rule, T> factors(kept, shared_factors);
  for (TileRange range(arguments.tiling.tile_count, arguments.reversed); !range.done(); range.advance()) {
    const Tile tile = arguments.tiling.tiles[range.tile()];
    const TensorEntry& tensor = step.tensors[tile.tensor];
    if (!takes_part(step, tensor) || !(step.initialize || tensor.reduced)) continue;
    if (arguments.tiling.tensors[tile.tensor].run_tiles > 0) continue;
    apply_tile<Rule, T>(arguments, tile, opener, factors);
  }
  if (arguments.advances) advance<Rule, T>(kept.step);
}

}  // namespace optim::cuda
