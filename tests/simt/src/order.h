// The order in which things that no program may rely on are done.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace simt {

class order {
 public:
  explicit order(const char* text);  // "forward", "reverse" or "shuffle:<seed>"; throws std::invalid_argument

  // When shuffling, true once in `odds`.
  bool chance(std::uint32_t odds) { return kind_ == kind::shuffle && below(odds) == 0; }

  template <class T>
  void arrange(T* items, std::size_t count) {
    if (kind_ == kind::reverse) std::reverse(items, items + count);
    if (kind_ == kind::shuffle)
      for (std::size_t i = count; i > 1; --i) std::swap(items[i - 1], items[below(static_cast<std::uint32_t>(i))]);
  }

 private:
  enum class kind { forward, reverse, shuffle };

  std::uint32_t below(std::uint32_t bound) {  // Knuth's 64-bit linear congruential generator, its high half
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(((state_ >> 32) * bound) >> 32);
  }

  kind kind_ = kind::forward;
  std::uint64_t state_ = 0;
};

}  // namespace simt
