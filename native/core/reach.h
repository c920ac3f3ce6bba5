// How far one element of a gradient has a part in a step: what a NaN there may spread to.
#pragma once

#include "core/rule_info.h"

namespace optim {

enum class Reach { element, row, tensor, all };

// With default hyper-parameters and no helpers of the plan, in a tensor of rank 4; also of a further input's elements.
Reach default_reach(const RuleInfo& rule);

}  // namespace optim
