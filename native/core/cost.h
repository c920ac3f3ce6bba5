// What a step must read and write, from the passes that a rule declares and what helpers read before them.
#pragma once

#include <cstdint>

#include "core/plan_tensor.h"
#include "core/rule_info.h"
#include "helpers/group_options.h"

namespace optim {

// What the steps of a plan read ahead of the rule's passes: moments of the gradient (and of the parameter), and for
// stable weight decay the sum that the second moment will have.
struct PreludeReads {
  bool moments, param_moments, second_moment;
};

// Bytes of one step of one tensor, in its storage types; what happens every k steps is spread over them. What both passes
// of a reduced rule touch counts once where it stays in chip_bytes in between.
std::uint64_t step_bytes(const RuleInfo& rule, const double* hypers, const GroupOptions& options,
                         const PreludeReads& reads, const PlanTensor& tensor, std::int64_t chip_bytes);

// Floats per element of F32 tensors with default hyper-parameters and no helpers, inputs bound: moved by a step, and
// kept as state; of a vector of `cost_side` elements and of a matrix of as many rows and columns. A row of it stays on the
// chip on every engine, and all of it on none.
constexpr std::int64_t cost_side = 256, cost_chip_bytes = 128 << 10;
struct DefaultCost {
  double vector, matrix, vector_state, matrix_state;
};
DefaultCost default_cost(const RuleInfo& rule);

}  // namespace optim
