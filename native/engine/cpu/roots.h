// Roots of many matrices on threads, each matrix on one of them.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "core/roots.h"
#include "engine/cpu/team.h"

namespace optim::cpu {

// Rooms for the algorithms of linalg/, one for each matrix that is worked on at the same time.
class RootRooms {
 public:
  // sizes: of the matrices, the largest first; numbers_of(n): what the algorithm needs.
  void reserve(const std::vector<int>& sizes, std::int64_t numbers_of(int n), int threads);

  // take(i, room) -> RootOutcome for i in [0, count), in order of size as in reserve.
  template <class Take>
  RootCounts run(std::int64_t count, const Take& take) {
    RootCounts counts;
    if (count == 0) return counts;
    std::mutex mutex;
    std::int64_t next = 0;
    std::size_t rooms_taken = 0;
    Team::of_process().run(count > 1 ? static_cast<int>(rooms_.size()) : 1, [&](int, int) {
      // The r-th room to be taken has place for the r-th largest matrix, and for every later one.
      double* room = nullptr;
      RootCounts mine;
      for (;;) {
        std::int64_t index;
        {
          const std::lock_guard<std::mutex> lock(mutex);
          index = next < count ? next++ : count;
          if (index < count && room == nullptr) room = rooms_[rooms_taken++].data();
        }
        if (index >= count) break;
        mine.add(take(index, room));
      }
      const std::lock_guard<std::mutex> lock(mutex);
      counts.add(mine);
    });
    return counts;
  }

 private:
  std::vector<std::vector<double>> rooms_;
};

inline std::int64_t eigen_numbers(int n) {
  return 2 * linalg::matrix_size(n) + std::int64_t{linalg::EigenWorkspace::vectors} * linalg::padded(n);
}
inline std::int64_t newton_numbers(int n) { return linalg::NewtonWorkspace::matrices * linalg::matrix_size(n); }

linalg::EigenWorkspace eigen_workspace(int n, double* room, linalg::QlState& state);
linalg::NewtonWorkspace newton_workspace(int n, double* room);

}  // namespace optim::cpu
