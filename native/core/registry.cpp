#include "core/registry.h"

#include "core/error.h"

namespace optim {

#define OPTIM_RULE(NAME) RuleInfo describe_##NAME();
#include "optim_rules.inc"
#undef OPTIM_RULE

const std::vector<RuleInfo>& registry() {
  static const std::vector<RuleInfo> rules = {
#define OPTIM_RULE(NAME) describe_##NAME(),
#include "optim_rules.inc"
#undef OPTIM_RULE
  };
  return rules;
}

int find_rule(const std::string& name) {
  std::string names;
  for (std::size_t i = 0; i < registry().size(); ++i) {
    const RuleInfo& rule = registry()[i];
    if (rule.writes_gradient) continue;  // steps never do, only the functions that apply a helper
    if (rule.name == name) return static_cast<int>(i);
    if (rule.listed) names += names.empty() ? rule.name : std::string(", ") + rule.name;
  }
  throw Error(Status::not_found, "rule \"" + name + "\" is not registered; registered are " + names);
}

int RuleInfo::hyper_index(const std::string& hyper) const {
  for (std::size_t i = 0; i < hypers.size(); ++i) {
    if (hypers[i].name == hyper) return static_cast<int>(i);
  }
  return -1;
}

int RuleInfo::first_moment() const {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].role == Role::first_moment && slots[i].shape == SlotShape::param) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace optim
