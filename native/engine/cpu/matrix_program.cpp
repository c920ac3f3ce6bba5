#include "engine/cpu/matrix_program.h"

#include <omp.h>

#include <algorithm>
#include <utility>

#include "linalg/fibres.h"
#include "linalg/inverse_root.h"

namespace optim::cpu {
namespace {

using linalg::Fibres;
using linalg::padded;

constexpr int panel_fibres = 32;

int order_of(const PlanTensor& tensor) { return std::max(tensor.param.rank, 1); }

// The fibres [first, first + count) as rows of a panel; the padding of the rows is left as it is.
template <class T>
void load_panel(const T* tensor, const Fibres& fibres, std::int64_t first, int count, double* panel) {
  const int stride = padded(fibres.n);
  for (int f = 0; f < count; ++f) {
    const T* const fibre = tensor + fibres.begin(first + f);
    for (int a = 0; a < fibres.n; ++a) panel[f * stride + a] = static_cast<double>(fibre[a * fibres.inner]);
  }
}

template <class T>
void store_panel(const double* panel, const Fibres& fibres, std::int64_t first, int count, T* tensor) {
  const int stride = padded(fibres.n);
  for (int f = 0; f < count; ++f) {
    T* const fibre = tensor + fibres.begin(first + f);
    for (int a = 0; a < fibres.n; ++a) fibre[a * fibres.inner] = static_cast<T>(panel[f * stride + a]);
  }
}

// product = panel * matrix: rows of `stride` numbers, `rows` (a multiple of the tile) of them.
void multiply(const double* panel, const double* matrix, int rows, int n, int stride, double* product) {
  constexpr int height = 4, width = 4;
  for (int i = 0; i < rows; i += height) {
    for (int j = 0; j < n; j += width) {
      double sum[height][width] = {};
      for (int k = 0; k < n; ++k) {
        const double* const right = matrix + static_cast<std::ptrdiff_t>(k) * stride + j;
        OPTIM_UNROLL
        for (int r = 0; r < height; ++r) {
          const double left = panel[(i + r) * stride + k];
          OPTIM_UNROLL
          for (int c = 0; c < width; ++c) sum[r][c] += left * right[c];
        }
      }
      for (int r = 0; r < height; ++r) std::copy(sum[r], sum[r] + width, product + (i + r) * stride + j);
    }
  }
}

}  // namespace

class CpuMatrixProgram::Workspace {
 public:
  Workspace(int largest, std::size_t longest_program) {
    operations.reserve(longest_program);
    const auto stride = static_cast<std::size_t>(padded(largest));
    const std::size_t matrix = stride * stride, panel = stride * panel_fibres;
    memory_.resize(2 * matrix + 2 * panel + linalg::EigenWorkspace::vectors * stride);
    double* next = memory_.data();
    for (double** part : {&eigen_.matrix, &eigen_.eigenvectors}) *part = std::exchange(next, next + matrix);
    for (double** part : {&panel_, &product_}) *part = std::exchange(next, next + panel);
    for (double** part : {&eigen_.diagonal, &eigen_.off_diagonal, &eigen_.reflector, &eigen_.product}) {
      *part = std::exchange(next, next + stride);
    }
    eigen_.sweep = &sweep_;
  }

  // slot = keep * slot + add * G_j G_j^T
  template <class T>
  void add_gram(const T* gradient, const Fibres& fibres, double keep, double add, T* slot) {
    const int n = fibres.n, stride = padded(n);
    double* const sum = eigen_.matrix;
    std::fill_n(sum, static_cast<std::size_t>(stride) * stride, 0.0);
    clear_padding(n);
    for (std::int64_t first = 0; first < fibres.count; first += panel_fibres) {
      const int count = static_cast<int>(std::min<std::int64_t>(panel_fibres, fibres.count - first));
      load_panel(gradient, fibres, first, count, panel_);
      for (int i = 0; i < n; i += linalg::tile_size) {
        for (int j = i; j < n; j += linalg::tile_size) add_tile(count, stride, i, j, sum);
      }
    }
    for (int i = 0; i < n; ++i) {
      for (int j = i; j < n; ++j) {
        T& element = slot[static_cast<std::ptrdiff_t>(i) * n + j];
        element = static_cast<T>(keep * static_cast<double>(element) +
                                 add * sum[static_cast<std::ptrdiff_t>(i) * stride + j]);
        slot[static_cast<std::ptrdiff_t>(j) * n + i] = element;
      }
    }
  }

  // U = U x_j slot: every fibre is multiplied by the matrix.
  template <class T>
  void contract(T* direction, const Fibres& fibres, const T* slot) {
    const int n = fibres.n, stride = padded(n);
    double* const transposed = eigen_.matrix;
    for (int b = 0; b < n; ++b) {
      double* const row = transposed + static_cast<std::ptrdiff_t>(b) * stride;
      for (int a = 0; a < n; ++a) row[a] = static_cast<double>(slot[static_cast<std::ptrdiff_t>(a) * n + b]);
      std::fill(row + n, row + stride, 0.0);
    }
    clear_padding(n);
    for (std::int64_t first = 0; first < fibres.count; first += panel_fibres) {
      const int count = static_cast<int>(std::min<std::int64_t>(panel_fibres, fibres.count - first));
      load_panel(direction, fibres, first, count, panel_);
      multiply(panel_, transposed, (count + 3) / 4 * 4, n, stride, product_);
      store_panel(product_, fibres, first, count, direction);
    }
  }

  template <class T>
  bool inverse_root(int n, const T* source, T* slot, const linalg::InverseRoot& options) {
    return linalg::inverse_root(linalg::SerialTeam(), n, source, slot, options, eigen_);
  }

  std::vector<MatrixOperation> operations;

 private:
  void clear_padding(int n) { std::fill_n(panel_, static_cast<std::size_t>(padded(n)) * panel_fibres, 0.0); }

  void add_tile(int count, int stride, int i, int j, double* sum) {
    constexpr int size = linalg::tile_size;
    linalg::GramTile tile;
    for (int r = 0; r < size; ++r) std::copy_n(sum + static_cast<std::ptrdiff_t>(i + r) * stride + j, size, tile[r]);
    linalg::add_gram_tile(panel_, stride, count, i, j, tile);
    for (int r = 0; r < size; ++r) std::copy_n(tile[r], size, sum + static_cast<std::ptrdiff_t>(i + r) * stride + j);
  }

  std::vector<double> memory_;
  double *panel_, *product_;
  linalg::EigenWorkspace eigen_;
  linalg::QlSweep sweep_;
};

CpuMatrixProgram::CpuMatrixProgram(const Plan& plan) : CpuMatrixProgram(plan, omp_get_num_procs()) {}

CpuMatrixProgram::CpuMatrixProgram(const Plan& plan, int threads) : plan_(plan) {
  int largest = 1;
  std::size_t longest = 0, tensors = 0;
  std::vector<MatrixOperation> operations;
  for (const PlanTensor& tensor : plan.tensors()) {
    if (tensor.param.extent.count == 0) continue;
    for (int j = 0; j < tensor.param.rank; ++j) largest = std::max(largest, static_cast<int>(tensor.param.shape[j]));
    operations.clear();
    plan.rule().program(plan.hypers()[tensor.group].data(), order_of(tensor), operations);
    longest = std::max(longest, operations.size());
    ++tensors;
  }
  const std::size_t count = std::min(static_cast<std::size_t>(std::max(threads, 1)), tensors);
  for (std::size_t i = 0; i < count; ++i) idle_.push_back(std::make_unique<Workspace>(largest, longest));
}

CpuMatrixProgram::~CpuMatrixProgram() = default;

std::unique_ptr<CpuMatrixProgram::Workspace> CpuMatrixProgram::take() {
  std::unique_lock<std::mutex> lock(mutex_);
  returned_.wait(lock, [this] { return !idle_.empty(); });
  std::unique_ptr<Workspace> workspace = std::move(idle_.back());
  idle_.pop_back();
  return workspace;
}

void CpuMatrixProgram::put_back(std::unique_ptr<Workspace> workspace, std::uint64_t skipped_roots) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(workspace));
    skipped_roots_ += skipped_roots;
  }
  returned_.notify_one();
}

std::uint64_t CpuMatrixProgram::skipped_roots() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return skipped_roots_;
}

template <class T>
void CpuMatrixProgram::run(std::size_t index, const T* gradient, T* direction, unsigned due) {
  const PlanTensor& tensor = plan_.tensors()[index];
  if (tensor.param.extent.count == 0) return;
  std::unique_ptr<Workspace> workspace = take();
  workspace->operations.clear();
  plan_.rule().program(plan_.hypers()[tensor.group].data(), order_of(tensor), workspace->operations);
  std::uint64_t skipped = 0;

  // Matrix slots are stored in the arithmetic of the step.
  const auto matrix = [&](int slot, int dimension) { return static_cast<T*>(tensor.find(slot, dimension)->data); };
  for (const MatrixOperation& operation : workspace->operations) {
    if (operation.stage != MatrixOperation::always && ((due >> operation.stage) & 1u) == 0) continue;
    const Fibres fibres = linalg::fibres(tensor.param.rank, tensor.param.shape.data(), operation.dimension);
    T* const slot = matrix(operation.slot, operation.dimension);
    switch (operation.kind) {
      case MatrixOperation::Kind::add_gram:
        workspace->add_gram(gradient, fibres, operation.keep, operation.add, slot);
        break;
      case MatrixOperation::Kind::inverse_root:
        if (!workspace->inverse_root(fibres.n, matrix(operation.source, operation.dimension), slot,
                                     {operation.root, operation.floor})) {
          ++skipped;
        }
        break;
      case MatrixOperation::Kind::contract:
        workspace->contract(direction, fibres, slot);
        break;
    }
  }

  put_back(std::move(workspace), skipped);
}

template void CpuMatrixProgram::run<float>(std::size_t, const float*, float*, unsigned);
template void CpuMatrixProgram::run<double>(std::size_t, const double*, double*, unsigned);

}  // namespace optim::cpu
