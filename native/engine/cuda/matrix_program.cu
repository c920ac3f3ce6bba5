#include "engine/cuda/matrix_program.h"

#include <algorithm>
#include <utility>

#include "engine/cuda/block_team.cuh"
#include "engine/cuda/launch.h"
#include "linalg/inverse_root.h"

namespace optim::cuda {
namespace {

using Kind = MatrixOperation::Kind;

constexpr int gram_threads = 64;  // 8 x 8, each with 4 x 4 elements of the tile
constexpr int contract_threads = 128;
constexpr int most_root_threads = 256;

__device__ __forceinline__ bool runs(const MatrixItem& item, const unsigned* due) {
  return item.present && (item.stage < 0 || (due[item.tensor] >> item.stage & 1u) != 0);
}

// Elements [row, row + gram_tile) of the fibres [first, first + count), one fibre a row of the panel.
template <class T>
__device__ __forceinline__ void load_panel(const T* tensor, const linalg::Fibres& fibres, std::int64_t first, int count,
                                           int row, double (&panel)[gram_tile][gram_tile + 1]) {
  const bool along_fibre = fibres.inner == 1;  // neighbouring threads read neighbouring numbers
  for (int i = static_cast<int>(threadIdx.x); i < gram_tile * gram_tile; i += gram_threads) {
    const int fast = i % gram_tile, slow = i / gram_tile;
    const int fibre = along_fibre ? slow : fast, a = along_fibre ? fast : slow;
    double value = 0;
    if (fibre < count && row + a < fibres.n) {
      value = static_cast<double>(tensor[fibres.begin(first + fibre) + (row + a) * fibres.inner]);
    }
    panel[fibre][a] = value;
  }
}

// slot = keep * slot + add * G_j G_j^T, one tile on or above the diagonal and its mirror image. Sums run over the
// fibres in order.
template <class T>
__global__ void __launch_bounds__(gram_threads)
    add_gram(const MatrixItem* items, const BlockShare* shares, const T* gradient, const unsigned* due,
             const std::int32_t* skip) {
  const BlockShare share = shares[blockIdx.x];
  const MatrixItem& item = items[share.item];
  if (*skip != 0 || !runs(item, due)) return;
  const linalg::Fibres fibres = item.fibres;
  const int n = fibres.n, tiles = (n + gram_tile - 1) / gram_tile;
  int i = 0, j = share.part;
  for (; j >= tiles - i; ++i) j -= tiles - i;
  j += i;
  const int row = i * gram_tile, column = j * gram_tile;

  OPTIM_SHARED(left, double[gram_tile][gram_tile + 1]);
  OPTIM_SHARED(right, double[gram_tile][gram_tile + 1]);
  constexpr int side = 8, each = gram_tile / side;
  const int y = static_cast<int>(threadIdx.x) / side, x = static_cast<int>(threadIdx.x) % side;
  double sum[each][each] = {};
  for (std::int64_t first = 0; first < fibres.count; first += gram_tile) {
    const int count = static_cast<int>(fibres.count - first < gram_tile ? fibres.count - first : gram_tile);
    load_panel(gradient + item.begin, fibres, first, count, row, left);
    load_panel(gradient + item.begin, fibres, first, count, column, right);
    __syncthreads();
    for (int k = 0; k < count; ++k) {
      double b[each];
      OPTIM_UNROLL
      for (int s = 0; s < each; ++s) b[s] = right[k][x + s * side];
      OPTIM_UNROLL
      for (int r = 0; r < each; ++r) {
        const double a = left[k][y + r * side];
        OPTIM_UNROLL
        for (int s = 0; s < each; ++s) sum[r][s] += a * b[s];
      }
    }
    __syncthreads();
  }
  T* const slot = static_cast<T*>(item.slot);
  OPTIM_UNROLL
  for (int r = 0; r < each; ++r) {
    OPTIM_UNROLL
    for (int s = 0; s < each; ++s) {
      const int a = row + y + r * side, b = column + x + s * side;
      if (a <= b && b < n) {
        T* const element = slot + static_cast<std::int64_t>(a) * n + b;
        const T value = static_cast<T>(item.keep * static_cast<double>(*element) + item.add * sum[r][s]);
        *element = value;
        slot[static_cast<std::int64_t>(b) * n + a] = value;
      }
    }
  }
}

// U = U x_j slot: a block multiplies some fibres by the matrix, in place.
template <class T>
__global__ void __launch_bounds__(contract_threads)
    contract(const MatrixItem* items, const BlockShare* shares, T* direction, const unsigned* due,
             const std::int32_t* skip) {
  const BlockShare share = shares[blockIdx.x];
  const MatrixItem& item = items[share.item];
  if (*skip != 0 || !runs(item, due)) return;
  const linalg::Fibres fibres = item.fibres;
  const int n = fibres.n;
  const int stride = n | 1;  // odd, so that threads on neighbouring fibres use different banks
  const std::int64_t first = static_cast<std::int64_t>(share.part) * panel_fibres(n);
  const int count = static_cast<int>(fibres.count - first < panel_fibres(n) ? fibres.count - first : panel_fibres(n));

  OPTIM_SHARED(panel, double[panel_elements + most_panel_fibres]);
  OPTIM_SHARED(product, double[panel_elements + most_panel_fibres]);
  T* const tensor = direction + item.begin;
  const bool along_fibre = fibres.inner == 1;
  const int thread = static_cast<int>(threadIdx.x);
  const auto for_elements = [&](const auto& body) {
    for (int i = thread; i < count * n; i += contract_threads) {
      const int f = along_fibre ? i / n : i % count, a = along_fibre ? i % n : i / count;
      body(f * stride + a, tensor[fibres.begin(first + f) + a * fibres.inner]);
    }
  };
  for_elements([&](int at, const T& element) { panel[at] = static_cast<double>(element); });
  __syncthreads();
  constexpr int each = 4;  // rows of the matrix that a thread takes at once
  const T* const matrix = static_cast<const T*>(item.slot);
  for (int i = thread; i < count * ((n + each - 1) / each); i += contract_threads) {
    const int f = i % count, a = i / count * each;
    const T* rows[each];
    double sum[each] = {};
    OPTIM_UNROLL
    for (int r = 0; r < each; ++r) rows[r] = matrix + static_cast<std::int64_t>(a + r < n ? a + r : n - 1) * n;
    for (int b = 0; b < n; ++b) {
      const double factor = panel[f * stride + b];
      OPTIM_UNROLL
      for (int r = 0; r < each; ++r) sum[r] += factor * static_cast<double>(rows[r][b]);
    }
    OPTIM_UNROLL
    for (int r = 0; r < each; ++r) {
      if (a + r < n) product[f * stride + a + r] = sum[r];
    }
  }
  __syncthreads();
  for_elements([&](int at, T& element) { element = static_cast<T>(product[at]); });
}

// Shared memory of a block that takes roots: what linalg::EigenWorkspace keeps in vectors, the sweep, and the team's
// sums.
std::size_t root_shared_bytes(int largest) {
  const std::size_t numbers =
      static_cast<std::size_t>(linalg::EigenWorkspace::vectors) * linalg::padded(largest) + linalg::lanes;
  return numbers * sizeof(double) + sizeof(linalg::QlSweep);
}

std::int64_t root_workspace(int largest) { return std::int64_t{2} * largest * linalg::padded(largest); }

// slot = source^(-1/root): one block takes one root after another.
template <class T>
__global__ void __launch_bounds__(most_root_threads)
    take_roots(const MatrixItem* items, int count, const unsigned* due, const std::int32_t* skip, double* workspace,
               int largest, unsigned long long* skipped) {
  if (*skip != 0) return;
  const int stride = linalg::padded(largest);
  OPTIM_DYNAMIC_SHARED(memory, double);
  const BlockTeam team{memory};
  double* const vectors = memory + linalg::lanes;
  linalg::EigenWorkspace work;
  work.matrix = workspace + blockIdx.x * (std::int64_t{2} * largest * stride);
  work.eigenvectors = work.matrix + static_cast<std::int64_t>(largest) * stride;
  work.diagonal = vectors;
  work.off_diagonal = vectors + stride;
  work.reflector = vectors + 2 * stride;
  work.product = vectors + 3 * stride;
  work.sweep = reinterpret_cast<linalg::QlSweep*>(vectors + linalg::EigenWorkspace::vectors * stride);
  for (int i = static_cast<int>(blockIdx.x); i < count; i += static_cast<int>(gridDim.x)) {
    const MatrixItem& item = items[i];
    if (!runs(item, due)) continue;
    const bool taken = linalg::inverse_root(team, item.fibres.n, static_cast<const T*>(item.source),
                                            static_cast<T*>(item.slot), {item.root, item.floor}, work);
    if (!taken && threadIdx.x == 0) atomicAdd(skipped, 1ull);
    __syncthreads();
  }
}

}  // namespace

CudaMatrixProgram::CudaMatrixProgram(const Plan& plan, cudaStream_t stream)
    : in_double_(plan.in_double()), skipped_roots_(1) {
  int device = 0, multiprocessors = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
  root_blocks_ = 2 * multiprocessors;
  skipped_roots_.clear(stream);
  rebind(plan, stream);
}

void CudaMatrixProgram::rebind(const Plan& plan, cudaStream_t stream) {
  MatrixSchedule schedule = matrix_schedule(plan);
  if (items_ == nullptr || schedule.items.size() != schedule_.items.size()) {
    items_ = std::make_unique<StagedArray<MatrixItem>>(static_cast<std::int64_t>(schedule.items.size()));
  }
  if (!(schedule.items == schedule_.items)) items_->upload(schedule.items, stream);
  if (schedule.shares != schedule_.shares) shares_ = to_device(schedule.shares, stream);
  const std::int64_t blocks = std::min(root_blocks_, schedule.most_roots());
  const std::int64_t needed = blocks * root_workspace(schedule.largest_root());
  if (needed > workspace_.count()) workspace_ = DeviceArray<double>(needed);
  schedule_ = std::move(schedule);
}

template <class T>
void CudaMatrixProgram::enqueue_as(cudaStream_t stream, const T* gradient, T* direction, const unsigned* due,
                                   const std::int32_t* skip) const {
  for (const MatrixLaunch& part : schedule_.launches) {
    const MatrixItem* const items = items_->device();
    const BlockShare* const shares = shares_.data() + part.first_share;
    const dim3 grid(static_cast<unsigned>(part.shares));
    switch (part.kind) {
      case Kind::add_gram:
        check(launch(stream, add_gram<T>, grid, dim3(gram_threads), 0, items, shares, gradient, due, skip), "add_gram");
        break;
      case Kind::contract:
        check(launch(stream, contract<T>, grid, dim3(contract_threads), 0, items, shares, direction, due, skip),
              "contract");
        break;
      case Kind::inverse_root: {
        const int threads = std::min(most_root_threads, (part.largest + 31) / 32 * 32);
        const int blocks = std::min(root_blocks_, static_cast<int>(part.items));
        check(launch(stream, take_roots<T>, dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)),
                     root_shared_bytes(part.largest), items + part.first_item, static_cast<int>(part.items), due, skip,
                     workspace_.data(), part.largest, skipped_roots_.data()),
              "take_roots");
        break;
      }
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

std::uint64_t CudaMatrixProgram::skipped_roots(cudaStream_t stream) const {
  return skipped_roots_.download(stream).front();
}

}  // namespace optim::cuda
