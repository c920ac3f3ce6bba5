// Numbers as bits and back.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/config.h"

namespace optim {

template <class To, class From>
OPTIM_FN To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

// a or b by their bits: where the choice is the same for all elements of a loop, compilers make two loops of `?:`.
template <class T>
OPTIM_FN T choose(bool first, T a, T b) {
  using Bits = std::conditional_t<sizeof(T) == sizeof(std::uint64_t), std::uint64_t, std::uint32_t>;
  const Bits mask = Bits{0} - static_cast<Bits>(first);
  return bit_cast<T>((bit_cast<Bits>(a) & mask) | (bit_cast<Bits>(b) & ~mask));
}

}  // namespace optim
