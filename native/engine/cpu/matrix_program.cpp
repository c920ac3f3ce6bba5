#include "engine/cpu/matrix_program.h"

#include <algorithm>
#include <atomic>

#include "engine/cpu/team.h"

namespace optim::cpu {
namespace {

using linalg::Fibres;
using Kind = MatrixOperation::Kind;

constexpr int side = MatrixKernels::side;
constexpr int tile_numbers = side * side;

// Elements [row, row + rows) of the fibres [first, first + count): element a of fibre f at tile[f * fibre_step +
// a * element_step]. What else the tile holds is left as it is.
template <class T>
void load(const T* tensor, const Fibres& fibres, std::int64_t first, int count, int row, int rows, int fibre_step,
          int element_step, double* tile) {
  const std::int64_t run = fibres.size[0], stride = fibres.stride[0];  // fibres that are equally far apart
  for (int f = 0; f < count;) {
    const int length = static_cast<int>(std::min<std::int64_t>(count - f, run - (first + f) % run));
    const T* const source = tensor + fibres.first(first + f) + row * fibres.step;
    double* const target = tile + f * fibre_step;
    if (fibres.step == 1) {
      for (int i = 0; i < length; ++i) {
        for (int a = 0; a < rows; ++a) {
          target[i * fibre_step + a * element_step] = static_cast<double>(source[i * stride + a]);
        }
      }
    } else {
      for (int a = 0; a < rows; ++a) {
        for (int i = 0; i < length; ++i) {
          target[i * fibre_step + a * element_step] = static_cast<double>(source[i * stride + a * fibres.step]);
        }
      }
    }
    f += length;
  }
}

// The elements [row, row + rows) of the fibres [first, first + count), from a tile with a fibre a row.
template <class T>
void store(const double* tile, const Fibres& fibres, std::int64_t first, int count, int row, int rows, T* tensor) {
  for (int f = 0; f < count; ++f) {
    T* const target = tensor + fibres.first(first + f) + row * fibres.step;
    for (int a = 0; a < rows; ++a) target[a * fibres.step] = static_cast<T>(tile[f * side + a]);
  }
}

int tiles(std::int64_t n) { return static_cast<int>((n + side - 1) / side); }

std::int64_t parts(Kind kind, const Fibres& fibres) {
  if (kind == Kind::add_gram) return std::int64_t{tiles(fibres.n)} * (tiles(fibres.n) + 1) / 2;
  return kind == Kind::contract ? (fibres.count + side - 1) / side : 0;
}

}  // namespace

CpuMatrixProgram::CpuMatrixProgram(const Plan& plan, const MatrixKernels& kernels, int threads)
    : plan_(plan), kernels_(kernels), threads_(threads) {}

void CpuMatrixProgram::rebind(const std::vector<std::int64_t>& begin) {
  schedule_ = matrix_schedule(plan_, begin);
  divide();
  std::vector<int> roots;  // by rank, the largest size in any wave
  for (const MatrixWave& wave : schedule_.waves) {
    if (wave.kind != Kind::inverse_root) continue;
    roots.resize(std::max(roots.size(), static_cast<std::size_t>(wave.items)));
    for (int i = 0; i < wave.items; ++i) {
      const int n = schedule_.items[static_cast<std::size_t>(wave.first_item + i)].fibres.n;
      roots[static_cast<std::size_t>(i)] = std::max(roots[static_cast<std::size_t>(i)], n);
    }
  }
  root_rooms_.reserve(roots, eigen_numbers, threads_);
  room_size_ = static_cast<std::size_t>(3 + tiles(schedule_.largest())) * tile_numbers;
  rooms_.resize(room_size_ * static_cast<std::size_t>(threads_));
}

// Waves are cut into shares.
void CpuMatrixProgram::divide() {
  constexpr double few_operations = 1e5;  // for fewer, a parallel region costs more than it gains
  waves_.clear();
  shares_.clear();
  for (const MatrixWave& wave : schedule_.waves) {
    const auto first = static_cast<std::int64_t>(shares_.size());
    double operations = 0;
    for (std::int32_t i = wave.first_item; i < wave.first_item + wave.items; ++i) {
      const Fibres& fibres = schedule_.items[static_cast<std::size_t>(i)].fibres;
      operations += static_cast<double>(fibres.n) * fibres.n * static_cast<double>(fibres.count);
      for (std::int64_t part = 0; part < parts(wave.kind, fibres); ++part) {
        shares_.push_back({i, static_cast<std::int32_t>(part)});
      }
    }
    waves_.push_back({first, static_cast<std::int64_t>(shares_.size()) - first, operations > few_operations});
  }
}

// slot = keep * slot + add * G_j G_j^T: one tile on or above the diagonal and its mirror image.
template <class T>
void CpuMatrixProgram::add_gram(const Share& share, const T* gradient, double* room) const {
  const MatrixItem& item = schedule_.items[static_cast<std::size_t>(share.item)];
  const Fibres& fibres = item.fibres;
  const int n = fibres.n;
  int i = 0, j = share.part;
  for (; j >= tiles(n) - i; ++i) j -= tiles(n) - i;
  const int row = i * side, column = (i + j) * side;
  const int rows = std::min(side, n - row), columns = std::min(side, n - column);
  double* const left = room;
  double* const right = row == column ? left : room + tile_numbers;
  double* const sum = room + 2 * tile_numbers;
  std::fill_n(room, 3 * tile_numbers, 0.0);
  for (std::int64_t first = 0; first < fibres.count; first += side) {
    const int count = static_cast<int>(std::min<std::int64_t>(side, fibres.count - first));
    load(gradient + item.begin, fibres, first, count, row, rows, side, 1, left);
    if (right != left) load(gradient + item.begin, fibres, first, count, column, columns, side, 1, right);
    kernels_.add_product(left, right, count, rows, columns, sum);
  }
  T* const slot = static_cast<T*>(item.slot);
  for (int r = 0; r < rows; ++r) {
    for (int c = row == column ? r : 0; c < columns; ++c) {
      T& element = slot[static_cast<std::ptrdiff_t>(row + r) * n + column + c];
      element = static_cast<T>(item.keep * static_cast<double>(element) + item.add * sum[r * side + c]);
      slot[static_cast<std::ptrdiff_t>(column + c) * n + row + r] = element;
    }
  }
}

// U = U x_j slot: some fibres are multiplied by the matrix.
template <class T>
void CpuMatrixProgram::contract(const Share& share, T* direction, double* room) const {
  const MatrixItem& item = schedule_.items[static_cast<std::size_t>(share.item)];
  const Fibres& fibres = item.fibres;
  const int n = fibres.n;
  const std::int64_t first = std::int64_t{share.part} * side;
  const int count = static_cast<int>(std::min<std::int64_t>(side, fibres.count - first));
  double* const matrix = room;
  double* const sum = room + tile_numbers;
  double* const panel = room + 2 * tile_numbers;  // element a of fibre f at [a * side + f]
  std::fill_n(panel, static_cast<std::size_t>(n) * side, 0.0);
  std::fill_n(matrix, tile_numbers, 0.0);
  load(direction + item.begin, fibres, first, count, 0, n, 1, side, panel);
  const T* const slot = static_cast<const T*>(item.slot);
  for (int a = 0; a < n; a += side) {
    const int rows = std::min(side, n - a);
    std::fill_n(sum, tile_numbers, 0.0);
    for (int b = 0; b < n; b += side) {
      const int columns = std::min(side, n - b);
      for (int r = 0; r < rows; ++r) {
        const T* const source = slot + static_cast<std::ptrdiff_t>(a + r) * n + b;
        for (int c = 0; c < columns; ++c) matrix[c * side + r] = static_cast<double>(source[c]);
      }
      kernels_.add_product(panel + b * side, matrix, columns, count, rows, sum);
    }
    store(sum, fibres, first, count, a, rows, direction + item.begin);
  }
}

template <class T>
linalg::RootOutcome CpuMatrixProgram::take_root(const MatrixItem& item, double* room) const {
  linalg::QlState state;
  const linalg::EigenWorkspace work = eigen_workspace(item.fibres.n, room, state);
  constexpr int precision = sizeof(T) == sizeof(double) ? 1 : 0;
  return kernels_.inverse_root[precision](item.fibres.n, item.source, item.slot, {item.root, item.floor, item.ridge},
                                          work);
}

template <class T>
void CpuMatrixProgram::run(const T* gradient, T* direction, const unsigned* due) {
  const auto runs = [&](const MatrixItem& item) {
    return item.present && (item.stage < 0 || (due[item.tensor] >> item.stage & 1u) != 0);
  };
  for (std::size_t w = 0; w < waves_.size(); ++w) {
    const MatrixWave& matrix = schedule_.waves[w];
    const Wave& wave = waves_[w];
    if (matrix.kind == Kind::inverse_root) {
      const MatrixItem* const items = schedule_.items.data() + matrix.first_item;
      counts_.add(root_rooms_.run(matrix.items, [&](std::int64_t i, double* room) {
        return runs(items[i]) ? take_root<T>(items[i], room) : linalg::RootOutcome::taken;
      }));
      continue;
    }
    std::atomic<std::int64_t> next{0};  // shares differ in size
    Team::of_process().run(wave.worthwhile ? threads_ : 1, [&](int thread, int) {
      double* const room = this->room(thread);
      for (std::int64_t i = next++; i < wave.shares; i = next++) {
        const Share& share = shares_[static_cast<std::size_t>(wave.first_share + i)];
        if (!runs(schedule_.items[static_cast<std::size_t>(share.item)])) continue;
        if (matrix.kind == Kind::add_gram) {
          add_gram(share, gradient, room);
        } else {
          contract(share, direction, room);
        }
      }
    });
  }
}

template void CpuMatrixProgram::run<float>(const float*, float*, const unsigned*);
template void CpuMatrixProgram::run<double>(const double*, double*, const unsigned*);

}  // namespace optim::cpu
