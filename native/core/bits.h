// Numbers as bits and back.
#pragma once

#include <cstdint>

#include "core/config.h"

namespace optim {

template <class To, class From>
OPTIM_FN To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

}  // namespace optim
