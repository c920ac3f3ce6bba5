#include "order.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace simt {

order::order(const char* text) {
  const std::string given = text;
  const std::string prefix = "shuffle:";
  if (given == "forward") return;
  if (given == "reverse") {
    kind_ = kind::reverse;
    return;
  }
  char* end = nullptr;
  if (given.rfind(prefix, 0) == 0 && given.size() > prefix.size()) {
    state_ = std::strtoull(given.c_str() + prefix.size(), &end, 10);
    kind_ = kind::shuffle;
  }
  if (!end || *end)
    throw std::invalid_argument("OPTIM_SIMT_ORDER is '" + given + "'; allowed: forward, reverse, shuffle:<seed>");
}

}  // namespace simt
