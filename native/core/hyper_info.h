// Hyper-parameters as bindings see them, with the types erased.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/hyper.h"
#include "core/range.h"

namespace optim {

struct HyperInfo {
  const char* name;
  const char* doc;
  Range range;
  double default_value;  // no_default: a value must be given
};

template <class... Tag>
std::vector<HyperInfo> describe_hypers(const Hypers<Tag...>& defaults) {
  std::vector<HyperInfo> infos;
  std::size_t i = 0;
  (infos.push_back({Tag::name, Tag::doc, Tag::allowed, defaults.value[i++]}), ...);
  return infos;
}

// "[0, 1)", "0 or 1", ...
std::string allowed_values(const Range& range);

}  // namespace optim
