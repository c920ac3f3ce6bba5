// Settings of the gradient helpers that tests switch on.
#pragma once

#include <string>
#include <vector>

#include "fixture.h"

namespace optim_test {

struct HelperSetting {
  std::string name;
  optim_helpers helpers;
  bool across_tensors;  // its result depends on the other tensors of the plan
};

// Each helper alone. `rule` decides which can be used: stable weight decay needs a second moment, pulling back a first.
std::vector<HelperSetting> single_helpers(const Rule& rule);

// Every helper that the rule can use, at once.
HelperSetting all_helpers(const Rule& rule);

// Every helper that looks at nothing but the tensor itself, at once.
HelperSetting local_helpers();

// The slot that the schema gives this role ("first_moment", "second_moment"); empty: none.
std::string slot_of_role(const Rule& rule, const std::string& role);

}  // namespace optim_test
