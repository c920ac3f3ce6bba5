// Hyper-parameters as bindings see them, with the types erased.
#pragma once

#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "core/hyper.h"
#include "core/range.h"

namespace optim {

struct HyperInfo {
  const char* name;
  const char* doc;
  Range range;
  double default_value;                // no_default: a value must be given
  int like;                            // index of the hyper-parameter whose value 0 stands for; -1: 0 is 0
  std::vector<const char*> spellings;  // what else clients call it
};

template <class... Tag>
std::vector<HyperInfo> describe_hypers(const Hypers<Tag...>& defaults) {
  std::vector<HyperInfo> infos;
  std::size_t i = 0;
  (infos.push_back({Tag::name, Tag::doc, Tag::allowed, defaults.value[i++], -1,
                    std::vector<const char*>(std::begin(Tag::texts) + 1, std::end(Tag::texts))}),
   ...);
  for (i = 0; i < infos.size(); ++i) {
    if (defaults.like[i] == nullptr) continue;
    const std::string like = defaults.like[i];
    infos[i].like = 0;
    while (infos[static_cast<std::size_t>(infos[i].like)].name != like) ++infos[i].like;
  }
  return infos;
}

// "[0, 1)", "0 or 1", ...
std::string allowed_values(const Range& range);

}  // namespace optim
