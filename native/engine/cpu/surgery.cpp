// Gradient surgery: the Gram matrix in one read of the gradients, the merged gradient in a second.
#include <algorithm>
#include <cstring>

#include "core/tiling.h"
#include "engine/cpu/streams.h"
#include "engine/cpu/team.h"
#include "engine/cpu/tensor_lists.h"
#include "helpers/pcgrad.h"

namespace optim::cpu {
namespace {

constexpr std::int64_t few_elements = 32768;  // for fewer, a parallel region costs more than it gains

// Elements of one gradient in a slab: those of all tasks stay in the second-level cache while all pairs are multiplied.
std::int64_t slab_length(int tasks) { return std::clamp<std::int64_t>(32768 / tasks / 16 * 16, 16, tile_in_place); }

template <class T>
class Merge {
 public:
  Merge(const GradientSurgery& surgery, const Kernels& kernels, int threads)
      : surgery_(surgery), kernels_(kernels.generic()), slab_(slab_length(surgery.tasks)), tiling_(tile_in_place) {
    for (const TensorBuffer& tensor : surgery.merged) tiling_.add({1, tensor.count, 1, tensor.count}, false, true);
    threads_ = tiling_.elements > few_elements ? threads : 1;
    rooms_.resize(static_cast<std::size_t>(threads_ * std::max(surgery.tasks * slab_, 2 * tile_in_place)));
  }

  void run() {
    const std::vector<double> weights = weights_from(gram());
    const auto tiles = static_cast<std::int64_t>(tiling_.tiles.size());
    Team::of_process().run(threads_, [&](std::int64_t thread, std::int64_t of) {
      const std::int64_t end = tiles * (thread + 1) / of;
      for (std::int64_t i = tiles * thread / of; i < end; ++i) combine(tiling_.tiles[i], weights.data(), room(thread));
    });
  }

 private:
  // Sums are taken over runs of tiles, and then over the runs, in an order that does not depend on the threads.
  std::vector<double> gram() {
    constexpr std::int64_t most_runs = 256;
    const auto tiles = static_cast<std::int64_t>(tiling_.tiles.size());
    const std::int64_t runs = std::min(tiles, most_runs);
    const int pairs = pair_count(surgery_.tasks);
    std::vector<double> partials(static_cast<std::size_t>(runs * pairs));
    Team::of_process().run(threads_, [&](std::int64_t thread, std::int64_t of) {
      const std::int64_t end = runs * (thread + 1) / of;
      for (std::int64_t run = runs * thread / of; run < end; ++run) {
        for (std::int64_t i = run * tiles / runs; i < (run + 1) * tiles / runs; ++i) {
          add_products(tiling_.tiles[i], room(thread), &partials[run * pairs]);
        }
      }
    });
    std::vector<double> sums(static_cast<std::size_t>(pairs));
    for (std::size_t k = 0; k < partials.size(); ++k) sums[k % sums.size()] += partials[k];
    return sums;
  }

  std::vector<double> weights_from(const std::vector<double>& gram) const {
    const int tasks = surgery_.tasks;
    std::vector<double> coefficients(static_cast<std::size_t>(tasks * tasks)), weights;
    for (int i = 0; i < tasks; ++i) {
      project(gram.data(), tasks, i, surgery_.order.data() + i * (tasks - 1), &coefficients[i * tasks]);
    }
    for (int i = 0; i < tasks; ++i) weights.push_back(merged_weight(coefficients.data(), tasks, i));
    return weights;
  }

  T* room(std::int64_t thread) { return &rooms_[static_cast<std::size_t>(thread) * (rooms_.size() / threads_)]; }

  // Elements of a gradient, widened into `room` where they are not stored as T; null where there is no gradient.
  const T* open(const TensorBuffer& tensor, std::int64_t begin, std::int64_t count, T* room) const {
    if (tensor.data == nullptr) return nullptr;
    const char* const stored =
        static_cast<const char*>(tensor.data) + begin * static_cast<std::int64_t>(size_of(tensor.dtype));
    if (size_of(tensor.dtype) == sizeof(T)) return reinterpret_cast<const T*>(stored);
    kernels_.widen[static_cast<int>(tensor.dtype)](stored, reinterpret_cast<float*>(room), count);
    return room;
  }

  void add_products(const Tile& tile, T* room, double* sums) const {
    const T* grads[max_tasks];
    for (std::int64_t offset = 0; offset < tile.count; offset += slab_) {
      const std::int64_t count = std::min<std::int64_t>(slab_, tile.count - offset);
      double* sum = sums;
      for (int a = 0; a < surgery_.tasks; ++a) {
        grads[a] = open(surgery_.grad(a, tile.tensor), tile.begin + offset, count, room + a * slab_);
        for (int b = 0; b <= a; ++b, ++sum) {
          if (grads[a] != nullptr && grads[b] != nullptr)
            *sum += kernels_.dot[surgery_.in_double](grads[a], grads[b], count);
        }
      }
    }
  }

  void combine(const Tile& tile, const double* weights, T* room) const {
    T* const total = room;
    std::fill(total, total + tile.count, T(0));
    for (int a = 0; a < surgery_.tasks; ++a) {
      const T* const grad = open(surgery_.grad(a, tile.tensor), tile.begin, tile.count, room + tile_in_place);
      if (grad != nullptr) kernels_.add_scaled[surgery_.in_double](total, grad, weights[a], tile.count);
    }
    const T divisor = static_cast<T>(surgery_.divisor(tile.tensor));
    for (std::int64_t i = 0; divisor != 1 && i < tile.count; ++i) total[i] /= divisor;
    const TensorBuffer& merged = surgery_.merged[tile.tensor];
    char* const target =
        static_cast<char*>(merged.data) + tile.begin * static_cast<std::int64_t>(size_of(merged.dtype));
    if (size_of(merged.dtype) == sizeof(T)) {
      std::memcpy(target, total, static_cast<std::size_t>(tile.count) * sizeof(T));
    } else {
      kernels_.narrow[static_cast<int>(merged.dtype)](reinterpret_cast<const float*>(total), target, tile.count);
    }
  }

  const GradientSurgery& surgery_;
  const GenericKernels& kernels_;
  std::int64_t slab_;
  Tiling tiling_;
  int threads_;
  std::vector<T> rooms_;  // by thread: a slab of every task, or the merged tile and one of a gradient
};

}  // namespace

void merge_gradients(const GradientSurgery& surgery, const Kernels& kernels, int threads) {
  if (surgery.in_double) {
    Merge<double>(surgery, kernels, threads).run();
  } else {
    Merge<float>(surgery, kernels, threads).run();
  }
}

}  // namespace optim::cpu
