// How parameters of 16 bits keep the small steps that rounding to nearest would lose. The members are documented in
// optim.h.
#pragma once

#include <cstdint>

namespace optim {

struct ParamStorage {
  bool master_weights = false;
  bool stochastic_rounding = false;
  std::uint64_t rounding_seed = 0;
};

}  // namespace optim
