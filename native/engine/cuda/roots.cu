#include "engine/cuda/roots.h"

#include <algorithm>
#include <tuple>

#include "core/matrix_schedule.h"
#include "engine/cuda/block_team.cuh"
#include "engine/cuda/launch.h"

namespace optim::cuda {
namespace {

constexpr int most_threads = 512;
constexpr int most_shared_rows = 1000;  // of a matrix whose vectors fit into shared memory
static_assert((linalg::EigenWorkspace::vectors * linalg::padded(most_shared_rows) + linalg::lanes) * 8 +
                  static_cast<int>(sizeof(linalg::QlState)) <=
              48 * 1024);

std::int64_t eigen_numbers(int n) {
  const std::int64_t vectors = n > most_shared_rows ? linalg::EigenWorkspace::vectors : 0;
  return 2 * linalg::matrix_size(n) + vectors * linalg::padded(n);
}
std::int64_t newton_numbers(int n) { return linalg::NewtonWorkspace::matrices * linalg::matrix_size(n); }

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

template <class T>
__device__ linalg::RootOutcome take_root(const BlockTeam& team, const RootItem& item,
                                         const linalg::EigenWorkspace& work) {
  return linalg::inverse_root(team, item.n, static_cast<const T*>(item.source), static_cast<T*>(item.result),
                              item.options, work);
}

__global__ void __launch_bounds__(most_threads)
    take_roots(const RootItem* items, int count, const unsigned* due, const std::int32_t* skip, double* workspace,
               unsigned long long* counts) {
  if (skip != nullptr && *skip != 0) return;
  OPTIM_DYNAMIC_SHARED(memory, double);
  const BlockTeam team{memory};
  auto* const state = reinterpret_cast<linalg::QlState*>(memory + linalg::lanes);
  constexpr int state_numbers = (sizeof(linalg::QlState) + sizeof(double) - 1) / sizeof(double);
  double* const room = workspace + items[blockIdx.x].room;
  for (int i = static_cast<int>(blockIdx.x); i < count; i += static_cast<int>(gridDim.x)) {
    const RootItem& item = items[i];
    if (!item.present || (item.stage >= 0 && (due[item.tensor] >> item.stage & 1u) == 0)) continue;
    const linalg::EigenWorkspace work = eigen_workspace(item.n, room, memory + linalg::lanes + state_numbers, state);
    count_outcome(item.in_double ? take_root<double>(team, item, work) : take_root<float>(team, item, work), counts);
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

void RootBatch::set(std::vector<RootItem> items, int blocks, cudaStream_t stream) {
  std::vector<int> sizes;
  for (const RootItem& item : items) sizes.push_back(item.n);
  const auto numbers_of = newton_ ? newton_numbers : eigen_numbers;
  blocks_ = concurrent_roots(sizes, numbers_of, blocks);
  std::int64_t numbers = 0;
  for (int i = 0; i < blocks_; ++i) {
    items[static_cast<std::size_t>(i)].room = numbers;
    numbers += numbers_of(sizes[static_cast<std::size_t>(i)]);
  }
  if (numbers > workspace_.count()) workspace_ = DeviceArray<double>(numbers);
  const auto count = static_cast<std::int64_t>(items.size());
  if (count > capacity_) {
    device_items_ = std::make_unique<StagedArray<RootItem>>(count);
    capacity_ = count;
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
  if (items_.empty()) return;
  const int largest = items_.front().n;
  check(launch(stream, take_roots, dim3(static_cast<unsigned>(blocks_)), threads_for(largest), shared_bytes(largest),
               device_items_->device(), static_cast<int>(items_.size()), due, skip, workspace_.data(), counts),
        "take_roots");
}

void RootBatch::enqueue_newton(cudaStream_t stream, const linalg::CoupledNewton& options,
                               unsigned long long* counts) const {
  if (items_.empty()) return;
  check(launch(stream, take_newton_roots, dim3(static_cast<unsigned>(blocks_)), threads_for(items_.front().n), 0,
               device_items_->device(), static_cast<int>(items_.size()), options, workspace_.data(), counts),
        "take_newton_roots");
}

}  // namespace optim::cuda
