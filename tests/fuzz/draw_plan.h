// Random plans.
#pragma once

#include "draw.h"
#include "session.h"

namespace optim_fuzz {

// A plan whose every part is valid by itself; a rule may refuse two of them together.
PlanSpec draw_plan(Random& random, int64_t most_elements);

// Spoils one part of the plan. The status that it is then refused with.
optim_status break_plan(Random& random, PlanSpec& spec);

// A row for a rule: mostly defaults.
std::vector<double> draw_row(Random& random, const Rule& rule);

std::string describe(const PlanSpec& spec);

}  // namespace optim_fuzz
