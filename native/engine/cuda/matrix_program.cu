#include "engine/cuda/matrix_program.h"

#include <algorithm>
#include <utility>

#include "engine/cuda/launch.h"
#include "engine/cuda/tables.h"

namespace optim::cuda {
namespace {

using Kind = MatrixOperation::Kind;
using Share = CudaMatrixProgram::Share;

constexpr int tile_side = 32;     // rows and columns of a product that one block computes
constexpr int tile_threads = 64;  // 8 x 8, each with 4 x 4 elements of the tile
constexpr int each = 4, across = tile_side / each;

using Panel = double[tile_side][tile_side + 1];
using TileSum = double[each][each];

__device__ __forceinline__ bool runs(const MatrixItem& item, const unsigned* due) {
  return item.present && (item.stage < 0 || (due[item.tensor] >> item.stage & 1u) != 0);
}

// Panel index pairs (slow, fast) of this thread, `fast` neighbouring for neighbouring threads.
template <class Body>
__device__ __forceinline__ void for_panel(const Body& body) {
  for (int i = static_cast<int>(threadIdx.x); i < tile_side * tile_side; i += tile_threads)
    body(i / tile_side, i % tile_side);
}

// Where some fibres of a block begin in their tensor.
__device__ __forceinline__ void find_fibres(const linalg::Fibres& fibres, std::int64_t first, int count,
                                            std::int64_t (&begin)[tile_side]) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < count) begin[thread] = fibres.first(first + thread);
}

// body(fibre, a, element) for tile_side fibres and elements a of each, in an order that reads neighbouring numbers.
template <class Body>
__device__ __forceinline__ void for_fibres(const linalg::Fibres& fibres, const Body& body) {
  if (fibres.step == 1) {
    for_panel([&](int slow, int fast) { body(slow, fast); });
  } else {
    for_panel([&](int slow, int fast) { body(fast, slow); });
  }
}

// sum[r][s] += sum_k left[k][y + 8 r] right[k][x + 8 s], k ascending.
__device__ __forceinline__ void multiply(const Panel& left, const Panel& right, int depth, TileSum& sum) {
  const int y = static_cast<int>(threadIdx.x) / across, x = static_cast<int>(threadIdx.x) % across;
  for (int k = 0; k < depth; ++k) {
    double b[each];
#pragma unroll
    for (int s = 0; s < each; ++s) b[s] = right[k][x + s * across];
#pragma unroll
    for (int r = 0; r < each; ++r) {
      const double a = left[k][y + r * across];
#pragma unroll
      for (int s = 0; s < each; ++s) sum[r][s] += a * b[s];
    }
  }
}

// body(row, column, sum) for this thread's elements of the tile.
template <class Body>
__device__ __forceinline__ void for_sums(const TileSum& sum, const Body& body) {
  const int y = static_cast<int>(threadIdx.x) / across, x = static_cast<int>(threadIdx.x) % across;
#pragma unroll
  for (int r = 0; r < each; ++r) {
#pragma unroll
    for (int s = 0; s < each; ++s) body(y + r * across, x + s * across, sum[r][s]);
  }
}

// slot = keep * slot + add * G_j G_j^T, one tile on or above the diagonal and its mirror image. Sums run over the
// fibres in order.
template <class T>
__global__ void __launch_bounds__(tile_threads)
    add_gram(const MatrixItem* items, const Share* shares, const T* gradient, const unsigned* due,
             const std::int32_t* skip) {
  const Share share = shares[blockIdx.x];
  const MatrixItem& item = items[share.item];
  if (*skip != 0 || !runs(item, due)) return;
  const linalg::Fibres fibres = item.fibres;
  const int n = fibres.n, tiles = (n + tile_side - 1) / tile_side;
  int i = 0, j = share.part;
  for (; j >= tiles - i; ++i) j -= tiles - i;
  const int row = i * tile_side, column = (i + j) * tile_side;

  OPTIM_SHARED(left, Panel);
  OPTIM_SHARED(right, Panel);
  OPTIM_SHARED(begin, std::int64_t[tile_side]);
  TileSum sum = {};
  for (std::int64_t first = 0; first < fibres.count; first += tile_side) {
    const int count = static_cast<int>(fibres.count - first < tile_side ? fibres.count - first : tile_side);
    find_fibres(fibres, first, count, begin);
    __syncthreads();
    const T* const source = gradient + item.begin;
    for_fibres(fibres, [&](int f, int a) {
      if (f >= count) return;
      left[f][a] = row + a < n ? static_cast<double>(source[begin[f] + (row + a) * fibres.step]) : 0;
      right[f][a] = column + a < n ? static_cast<double>(source[begin[f] + (column + a) * fibres.step]) : 0;
    });
    __syncthreads();
    multiply(left, right, count, sum);
    __syncthreads();
  }
  T* const slot = static_cast<T*>(item.slot);
  for_sums(sum, [&](int r, int s, double value) {
    const int a = row + r, b = column + s;
    if (a > b || b >= n) return;
    T* const element = slot + static_cast<std::int64_t>(a) * n + b;
    const T result = static_cast<T>(item.keep * static_cast<double>(*element) + item.add * value);
    *element = result;
    slot[static_cast<std::int64_t>(b) * n + a] = result;
  });
}

// One tile of a contraction: tile_side fibres, and as many of their elements.
struct ContractTile {
  std::int64_t first;  // fibre
  int count, row, rows;

  __device__ ContractTile(const linalg::Fibres& fibres, int part) {
    const int tiles = (fibres.n + tile_side - 1) / tile_side;
    first = static_cast<std::int64_t>(part / tiles) * tile_side;
    count = static_cast<int>(fibres.count - first < tile_side ? fibres.count - first : tile_side);
    row = part % tiles * tile_side;
    rows = fibres.n - row < tile_side ? fibres.n - row : tile_side;
  }
};

// contracted = direction x_j slot. Sums run along the fibres in order.
template <class T>
__global__ void __launch_bounds__(tile_threads)
    contract(const MatrixItem* items, const Share* shares, const T* direction, T* contracted, const unsigned* due,
             const std::int32_t* skip) {
  const Share share = shares[blockIdx.x];
  const MatrixItem& item = items[share.item];
  if (*skip != 0 || !runs(item, due)) return;
  const linalg::Fibres fibres = item.fibres;
  const int n = fibres.n;
  const ContractTile tile(fibres, share.part);

  OPTIM_SHARED(left, Panel);   // [b][fibre]
  OPTIM_SHARED(right, Panel);  // [b][a]
  OPTIM_SHARED(begin, std::int64_t[tile_side]);
  find_fibres(fibres, tile.first, tile.count, begin);
  const T* const source = direction + item.begin;
  const T* const matrix = static_cast<const T*>(item.slot);
  TileSum sum = {};
  for (int first = 0; first < n; first += tile_side) {
    const int depth = n - first < tile_side ? n - first : tile_side;
    __syncthreads();
    for_fibres(fibres, [&](int f, int b) {
      left[b][f] = f < tile.count && b < depth ? static_cast<double>(source[begin[f] + (first + b) * fibres.step]) : 0;
    });
    for_panel([&](int a, int b) {
      const std::int64_t at = static_cast<std::int64_t>(tile.row + a) * n + first + b;
      right[b][a] = a < tile.rows && b < depth ? static_cast<double>(matrix[at]) : 0;
    });
    __syncthreads();
    multiply(left, right, depth, sum);
  }
  for_sums(sum, [&](int f, int a, double value) {
    if (f >= tile.count || a >= tile.rows) return;
    contracted[item.begin + begin[f] + (tile.row + a) * fibres.step] = static_cast<T>(value);
  });
}

// direction = contracted, where contract wrote it.
template <class T>
__global__ void __launch_bounds__(tile_threads)
    take_over(const MatrixItem* items, const Share* shares, const T* contracted, T* direction, const unsigned* due,
              const std::int32_t* skip) {
  const Share share = shares[blockIdx.x];
  const MatrixItem& item = items[share.item];
  if (*skip != 0 || !runs(item, due)) return;
  const linalg::Fibres fibres = item.fibres;
  const ContractTile tile(fibres, share.part);
  OPTIM_SHARED(begin, std::int64_t[tile_side]);
  find_fibres(fibres, tile.first, tile.count, begin);
  __syncthreads();
  for_fibres(fibres, [&](int f, int a) {
    if (f >= tile.count || a >= tile.rows) return;
    const std::int64_t at = item.begin + begin[f] + (tile.row + a) * fibres.step;
    direction[at] = contracted[at];
  });
}

std::int64_t parts(Kind kind, const linalg::Fibres& fibres) {
  const std::int64_t tiles = (fibres.n + tile_side - 1) / tile_side;
  if (kind == Kind::add_gram) return tiles * (tiles + 1) / 2;
  return kind == Kind::contract ? (fibres.count + tile_side - 1) / tile_side * tiles : 0;
}

RootItem root_item(const MatrixItem& item, bool in_double) {
  RootItem root{};
  root.source = item.source;
  root.result = item.slot;
  root.options = {item.root, item.floor, item.ridge};
  root.n = item.fibres.n;
  root.tensor = item.tensor;
  root.stage = item.stage;
  root.present = item.present;
  root.in_double = in_double;
  return root;
}

}  // namespace

std::vector<std::int64_t> workspace_begin(const Plan& plan) {
  std::vector<std::int64_t> begin = {0};
  for (const PlanTensor& tensor : plan.tensors()) {
    begin.push_back(begin.back() + (tensor.param.extent.count + chunk - 1) / chunk * chunk);
  }
  return begin;
}

CudaMatrixProgram::CudaMatrixProgram(const Plan& plan, cudaStream_t stream)
    : in_double_(plan.in_double()),
      contracted_(workspace_begin(plan).back() *
                  static_cast<std::int64_t>(plan.in_double() ? sizeof(double) : sizeof(float))),
      counts_(2) {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
  counts_.clear(stream);
  rebind(plan, stream);
}

void CudaMatrixProgram::rebind(const Plan& plan, cudaStream_t stream) {
  MatrixSchedule schedule = matrix_schedule(plan, workspace_begin(plan));
  if (items_ == nullptr || schedule.items.size() != schedule_.items.size()) {
    items_ = std::make_unique<StagedArray<MatrixItem>>(static_cast<std::int64_t>(schedule.items.size()));
    schedule_.items.clear();
  }
  if (!(schedule.items == schedule_.items)) items_->upload(schedule.items, stream);
  schedule_ = std::move(schedule);
  divide(plan, stream);
}

// Waves are cut into shares of blocks, or become batches of roots.
void CudaMatrixProgram::divide(const Plan& plan, cudaStream_t stream) {
  waves_.clear();
  std::vector<Share> shares;
  int batches = 0;
  for (const MatrixWave& wave : schedule_.waves) {
    const auto first = static_cast<std::int64_t>(shares.size());
    std::vector<RootItem> roots;
    for (std::int32_t i = wave.first_item; i < wave.first_item + wave.items; ++i) {
      const MatrixItem& item = schedule_.items[static_cast<std::size_t>(i)];
      for (std::int64_t part = 0; part < parts(wave.kind, item.fibres); ++part) {
        shares.push_back({i, static_cast<std::int32_t>(part)});
      }
      if (wave.kind == Kind::inverse_root) roots.push_back(root_item(item, plan.in_double()));
    }
    waves_.push_back({wave.kind, first, static_cast<std::int64_t>(shares.size()) - first, batches});
    if (wave.kind != Kind::inverse_root) continue;
    if (roots_.size() == static_cast<std::size_t>(batches)) roots_.emplace_back();
    roots_[static_cast<std::size_t>(batches++)].set(std::move(roots), multiprocessors_, stream);
  }
  if (shares == shares_) return;
  device_shares_ = to_device(shares, stream);
  shares_ = std::move(shares);
}

template <class T>
void CudaMatrixProgram::enqueue_as(cudaStream_t stream, const T* gradient, T* direction, const unsigned* due,
                                   const std::int32_t* skip) const {
  const MatrixItem* const items = items_->device();
  T* const contracted = reinterpret_cast<T*>(contracted_.data());
  for (const Wave& wave : waves_) {
    const Share* const shares = device_shares_.data() + wave.first_share;
    const dim3 grid(static_cast<unsigned>(wave.shares)), block(tile_threads);
    switch (wave.kind) {
      case Kind::add_gram:
        check(launch(stream, add_gram<T>, grid, block, 0, items, shares, gradient, due, skip), "add_gram");
        break;
      case Kind::contract:
        check(launch(stream, contract<T>, grid, block, 0, items, shares, direction, contracted, due, skip), "contract");
        check(launch(stream, take_over<T>, grid, block, 0, items, shares, contracted, direction, due, skip),
              "take_over");
        break;
      case Kind::inverse_root:
        roots_[static_cast<std::size_t>(wave.batch)].enqueue(stream, due, skip, counts_.data());
        break;
    }
  }
}

void CudaMatrixProgram::enqueue(cudaStream_t stream, const void* gradient, void* direction, const unsigned* due,
                                const std::int32_t* skip) const {
  if (in_double_) {
    enqueue_as(stream, static_cast<const double*>(gradient), static_cast<double*>(direction), due, skip);
  } else {
    enqueue_as(stream, static_cast<const float*>(gradient), static_cast<float*>(direction), due, skip);
  }
}

RootCounts CudaMatrixProgram::root_counts(cudaStream_t stream) const {
  const std::vector<unsigned long long> counts = counts_.download(stream);
  return {counts[0], counts[1]};
}

}  // namespace optim::cuda
