// What a message about several hyper-parameters leaves out: their values.
#pragma once

#include <string>
#include <vector>

#include "core/hyper_info.h"

namespace optim {

// "warmup_steps is 10, t_max is 5": the hyper-parameters whose names are words of the text, in schema order.
std::string values_named_in(const std::string& text, const std::vector<HyperInfo>& hypers, const double* values);

}  // namespace optim
