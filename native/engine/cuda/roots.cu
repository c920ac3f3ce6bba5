#include "engine/cuda/roots.h"

#include <algorithm>
#include <tuple>

#include "core/matrix_schedule.h"
#include "engine/cuda/block_team.cuh"
#include "engine/cuda/launch.h"
#include "engine/cuda/newton_root.cuh"

namespace optim::cuda {
namespace {

constexpr int most_threads = 512;
constexpr int most_shared_rows = 1000;  // of a matrix whose vectors fit into shared memory
static_assert((linalg::EigenWorkspace::vectors * linalg::padded(most_shared_rows) + linalg::lanes) * 8 +
                  static_cast<int>(sizeof(linalg::QlState)) <=
              48 * 1024);

// decompose_all and iterate_all share decompose; no device of the supported kinds has less than 99 KiB for a block.
static_assert(sizeof(NewtonShared) >= 48 * 1024 && sizeof(NewtonShared) <= 99 * 1024);

std::int64_t eigen_numbers(int n) {
  const std::int64_t vectors = n > most_shared_rows ? linalg::EigenWorkspace::vectors : 0;
  return 2 * linalg::matrix_size(n) + vectors * linalg::padded(n);
}
std::int64_t iterated_numbers(int n) { return std::max(newton_slots * SquareShape{n}.size(), eigen_numbers(n)); }
std::int64_t newton_numbers(int n) { return linalg::NewtonWorkspace::matrices * linalg::matrix_size(n); }

// Up to here several decompositions share a multiprocessor and are faster; a few matrices at a time gain from here on, a
// batch of thousands from about 100 (benchmarks/NOTES.md).
bool is_iterated(const RootItem& item) { return !item.in_double && item.n > 64; }

// Of a block: the team's sums, the state of the QL method, and what EigenWorkspace keeps in vectors.
std::size_t shared_bytes(int largest) {
  const int rows = std::min(largest, most_shared_rows);
  return (static_cast<std::size_t>(linalg::EigenWorkspace::vectors) * linalg::padded(rows) + linalg::lanes) *
             sizeof(double) +
         sizeof(linalg::QlState);
}

__device__ inline linalg::EigenWorkspace eigen_workspace(int n, double* room, double* vectors, linalg::QlState* state) {
  linalg::EigenWorkspace work;
  work.matrix = room;
  work.eigenvectors = room + linalg::matrix_size(n);
  double* const first = n > most_shared_rows ? work.eigenvectors + linalg::matrix_size(n) : vectors;
  double** const parts[] = {&work.diagonal, &work.off_diagonal, &work.u, &work.w, &work.former_u, &work.former_w};
  for (int i = 0; i < linalg::EigenWorkspace::vectors; ++i) *parts[i] = first + i * linalg::padded(n);
  work.state = state;
  return work;
}

__device__ inline void count_outcome(linalg::RootOutcome outcome, unsigned long long* counts) {
  if (threadIdx.x != 0 || counts == nullptr || outcome == linalg::RootOutcome::taken) return;
  atomicAdd(counts + (outcome == linalg::RootOutcome::skipped ? 0 : 1), 1ull);
}

__device__ inline bool runs(const RootItem& item, const unsigned* due) {
  return item.present && (item.stage < 0 || (due[item.tensor] >> item.stage & 1u) != 0);
}

// memory: shared_bytes(n).
template <class T>
__device__ linalg::RootOutcome decompose(const RootItem& item, double* room, double* memory) {
  const BlockTeam team{memory};
  auto* const state = reinterpret_cast<linalg::QlState*>(memory + linalg::lanes);
  constexpr int state_numbers = (sizeof(linalg::QlState) + sizeof(double) - 1) / sizeof(double);
  const linalg::EigenWorkspace work = eigen_workspace(item.n, room, memory + linalg::lanes + state_numbers, state);
  return linalg::inverse_root(team, item.n, static_cast<const T*>(item.source), static_cast<T*>(item.result),
                              item.options, work);
}

__global__ void __launch_bounds__(most_threads)
    decompose_all(const RootItem* items, int count, const unsigned* due, const std::int32_t* skip, double* workspace,
                  unsigned long long* counts) {
  if (skip != nullptr && *skip != 0) return;
  OPTIM_DYNAMIC_SHARED(memory, double);
  double* const room = workspace + items[blockIdx.x].room;
  for (int i = static_cast<int>(blockIdx.x); i < count; i += static_cast<int>(gridDim.x)) {
    const RootItem& item = items[i];
    if (!runs(item, due)) continue;
    count_outcome(item.in_double ? decompose<double>(item, room, memory) : decompose<float>(item, room, memory),
                  counts);
    __syncthreads();
  }
}

// By the scaled Newton iteration; what that does not accept is decomposed by the same block.
__global__ void __launch_bounds__(product_threads)
    iterate_all(const RootItem* items, int count, const unsigned* due, const std::int32_t* skip, double* workspace,
                unsigned long long* counts) {
  if (skip != nullptr && *skip != 0) return;
  OPTIM_DYNAMIC_SHARED(memory, double);
  auto& shared = *reinterpret_cast<NewtonShared*>(memory);
  const BlockTeam team{shared.vectors.partial};
  double* const room = workspace + items[blockIdx.x].room;
  for (int i = static_cast<int>(blockIdx.x); i < count; i += static_cast<int>(gridDim.x)) {
    const RootItem& item = items[i];
    if (!runs(item, due)) continue;
    const bool taken = NewtonRoot(team, item, room, shared).take();
    __syncthreads();
    if (!taken) count_outcome(decompose<float>(item, room, memory), counts);
    __syncthreads();
  }
}

template <class T>
__device__ linalg::RootOutcome iterate(const BlockTeam& team, const RootItem& item, double* error,
                                       const linalg::CoupledNewton& options, const linalg::NewtonWorkspace& work) {
  return linalg::coupled_newton(team, item.n, static_cast<const T*>(item.source), static_cast<T*>(item.result), error,
                                options, work);
}

__global__ void __launch_bounds__(most_threads)
    take_newton_roots(const RootItem* items, int count, linalg::CoupledNewton options, double* workspace,
                      unsigned long long* counts) {
  OPTIM_SHARED(sums, double[linalg::lanes]);
  OPTIM_SHARED(unasked, double);
  const BlockTeam team{sums};
  double* const room = workspace + items[blockIdx.x].room;
  for (int i = static_cast<int>(blockIdx.x); i < count; i += static_cast<int>(gridDim.x)) {
    const RootItem& item = items[i];
    linalg::NewtonWorkspace work;
    for (int k = 0; k < linalg::NewtonWorkspace::matrices; ++k) work.matrix[k] = room + k * linalg::matrix_size(item.n);
    double* const error = item.error != nullptr ? item.error : &unasked;
    count_outcome(item.in_double ? iterate<double>(team, item, error, options, work)
                                 : iterate<float>(team, item, error, options, work),
                  counts);
    __syncthreads();
  }
}

dim3 threads_for(int largest) { return dim3(static_cast<unsigned>(std::min(most_threads, (largest + 31) / 32 * 32))); }

}  // namespace

bool RootItem::operator==(const RootItem& other) const {
  const auto fields = [](const RootItem& item) {
    return std::tie(item.source, item.result, item.error, item.room, item.options.root, item.options.floor,
                    item.options.ridge, item.n, item.tensor, item.stage, item.present, item.in_double);
  };
  return fields(*this) == fields(other);
}

// The blocks of these items, with rooms for the first of them. Launches of one batch follow each other, so all begin at
// the same place.
RootBatch::Share RootBatch::share(std::vector<RootItem>& items, int first, int count, bool iterated,
                                  int multiprocessors) {
  Share result{first, count, 0};
  if (count == 0) return result;
  std::vector<int> sizes;
  for (int i = first; i < first + count; ++i) sizes.push_back(items[static_cast<std::size_t>(i)].n);
  const auto numbers_of = newton_ ? newton_numbers : iterated ? iterated_numbers : eigen_numbers;
  // The iteration has all of a multiprocessor's registers in use; of the rest, whose steps wait for each other, as many
  // as the registers allow are under way.
  const int together = iterated ? 1 : std::max(2, most_threads / static_cast<int>(threads_for(sizes[0]).x));
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  const auto sixteenth = static_cast<std::int64_t>(total / 16 / sizeof(double));
  result.blocks =
      concurrent_roots(sizes, numbers_of, together * multiprocessors, std::max(reasonable_root_numbers, sixteenth));
  std::int64_t numbers = 0;
  for (int i = 0; i < result.blocks; ++i) {
    items[static_cast<std::size_t>(first + i)].room = numbers;
    numbers += numbers_of(sizes[static_cast<std::size_t>(i)]);
  }
  if (numbers > workspace_.count()) workspace_ = DeviceArray<double>(numbers);
  return result;
}

void RootBatch::set(std::vector<RootItem> items, int multiprocessors, cudaStream_t stream) {
  const auto rest =
      std::stable_partition(items.begin(), items.end(), [&](const RootItem& i) { return !newton_ && is_iterated(i); });
  const int iterated = static_cast<int>(rest - items.begin()), all = static_cast<int>(items.size());
  iterated_ = share(items, 0, iterated, true, multiprocessors);
  decomposed_ = share(items, iterated, all - iterated, false, multiprocessors);
  if (all > capacity_) {
    device_items_ = std::make_unique<StagedArray<RootItem>>(all);
    capacity_ = all;
    items_.clear();
  }
  if (items == items_) return;
  items_.clear();
  std::vector<RootItem> padded = items;
  padded.resize(static_cast<std::size_t>(capacity_));
  device_items_->upload(padded, stream);
  items_ = std::move(items);
}

void RootBatch::enqueue(cudaStream_t stream, const unsigned* due, const std::int32_t* skip,
                        unsigned long long* counts) const {
  if (iterated_.count > 0) {
    check(launch(stream, iterate_all, dim3(static_cast<unsigned>(iterated_.blocks)), dim3(product_threads),
                 sizeof(NewtonShared), begin(iterated_), iterated_.count, due, skip, workspace_.data(), counts),
          "iterate_all");
  }
  if (decomposed_.count > 0) {
    const int largest = items_[static_cast<std::size_t>(decomposed_.first)].n;
    check(launch(stream, decompose_all, dim3(static_cast<unsigned>(decomposed_.blocks)), threads_for(largest),
                 shared_bytes(largest), begin(decomposed_), decomposed_.count, due, skip, workspace_.data(), counts),
          "decompose_all");
  }
}

void RootBatch::enqueue_newton(cudaStream_t stream, const linalg::CoupledNewton& options,
                               unsigned long long* counts) const {
  if (items_.empty()) return;
  check(
      launch(stream, take_newton_roots, dim3(static_cast<unsigned>(decomposed_.blocks)), threads_for(items_.front().n),
             0, device_items_->device(), static_cast<int>(items_.size()), options, workspace_.data(), counts),
      "take_newton_roots");
}

}  // namespace optim::cuda
