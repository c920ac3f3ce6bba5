// How the metadata of a golden file becomes calls of the C ABI.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "golden_file.h"
#include "session.h"

namespace optim_test {

// The rule and helpers of a trajectory, its shapes and one row of hyper-parameters. Throws naming whatever the library
// or the table of helpers does not know.
PlanSpec plan_of(const GoldenFile& file, int32_t dtype);

// The hyper-parameters of sharpness-aware minimization (sharpness.h) of a trajectory that is about it; otherwise empty.
std::vector<double> sharpness_of(const GoldenFile& file);

// The outputs of a direct case as the library computes them, named as in the file.
using Outputs = std::vector<std::pair<std::string, Values>>;
Outputs run_direct(Engine& engine, const GoldenFile& file, int32_t dtype);

// Whether this build has the rule of a trajectory; a build of all rules always should.
bool is_built(const GoldenFile& file);

// Whether a golden file's optimizer is this rule, alone or with a helper.
bool is_about(const std::string& optimizer, const std::string& rule);

}  // namespace optim_test
