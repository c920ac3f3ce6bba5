#include "engine/cpu/roots.h"

#include <utility>

#include "core/matrix_schedule.h"

namespace optim::cpu {

void RootRooms::reserve(const std::vector<int>& sizes, std::int64_t numbers_of(int n), int threads) {
  const auto count = static_cast<std::size_t>(concurrent_roots(sizes, numbers_of, threads));
  if (rooms_.size() > count) rooms_.resize(count);
  rooms_.resize(count);
  for (std::size_t i = 0; i < count; ++i) rooms_[i].resize(static_cast<std::size_t>(numbers_of(sizes[i])));
}

linalg::EigenWorkspace eigen_workspace(int n, double* room, linalg::QlState& state) {
  linalg::EigenWorkspace work{};
  for (double** part : {&work.matrix, &work.eigenvectors}) *part = std::exchange(room, room + linalg::matrix_size(n));
  for (double** part : {&work.diagonal, &work.off_diagonal, &work.u, &work.w, &work.former_u, &work.former_w}) {
    *part = std::exchange(room, room + linalg::padded(n));
  }
  work.state = &state;
  return work;
}

linalg::NewtonWorkspace newton_workspace(int n, double* room) {
  linalg::NewtonWorkspace work{};
  for (double*& matrix : work.matrix) matrix = std::exchange(room, room + linalg::matrix_size(n));
  return work;
}

}  // namespace optim::cpu
