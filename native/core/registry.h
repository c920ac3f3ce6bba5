// Every rule of this build, by name and by index. Indices are the same for all engines.
#pragma once

#include <string>
#include <vector>

#include "core/rule_info.h"

namespace optim {

const std::vector<RuleInfo>& registry();  // sorted by name; the listed ones and those that serve helpers

// The index of a rule; throws Error (not found) naming the listed rules.
int find_rule(const std::string& name);

// The schema of all listed rules, of all schedules and of the helpers, as optim_schema_json documents it.
const std::string& schema_json();

}  // namespace optim
