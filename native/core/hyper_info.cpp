#include "core/hyper_info.h"

#include "core/error.h"

namespace optim {

std::string allowed_values(const Range& range) {
  switch (range.kind) {
    case Kind::boolean:
      return "0 or 1";
    case Kind::word: {
      std::string words;
      for (int i = 0; i < Range::max_words && range.words[i] != nullptr; ++i) {
        words += message(i == 0 ? "" : ", ", i, " (", range.words[i], ")");
      }
      return words;
    }
    case Kind::integer:
      return message("whole numbers from ", range.minimum);
    case Kind::real:
      break;
  }
  return message(range.minimum_open ? "(" : "[", range.minimum, ", ", range.maximum, range.maximum_open ? ")" : "]");
}

}  // namespace optim
