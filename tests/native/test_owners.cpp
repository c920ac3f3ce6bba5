// The owners of optim.hpp.
#include <gtest/gtest.h>

#include <memory>
#include <optim/optim.hpp>

#include "fixture.h"
#include "schema.h"

namespace optim_test {
namespace {

class Owners : public testing::TestWithParam<int32_t> {
 protected:
  optim::Plan make_plan() const {
    const optim_tensor params[] = {optim::tensor(nullptr, OPTIM_F32, {4, 2})};
    auto options = optim::sized<optim_plan_options>();
    const std::string rule = rules().front().name;
    options.rule = rule.c_str();
    options.group_count = 1;
    options.tensor_count = 1;
    options.params = params;
    options.grad_dtype = options.state_dtype = OPTIM_F32;
    return {*engine_, options, {params_->data()}, {nullptr}};
  }

  std::unique_ptr<optim::Engine> engine_ = std::make_unique<optim::Engine>(GetParam());
  std::unique_ptr<optim::Buffer> params_ = std::make_unique<optim::Buffer>(*engine_, 8 * sizeof(float));
};

// Sanitizers see what is used after it is freed.
TEST_P(Owners, AnEngineLivesAsLongAsItsPlansAndBuffers) {
  auto plan = std::make_unique<optim::Plan>(make_plan());
  engine_.reset();
  plan->step();
  params_.reset();
  plan.reset();
}

TEST_P(Owners, PlansMove) {
  optim::Plan first = make_plan(), second = make_plan();
  second = std::move(first);
  second.step();
  optim::Plan third = std::move(second);
  engine_.reset();
  third.step();
  EXPECT_EQ(first.get(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Native, Owners, testing::ValuesIn(devices()), name_of_device);

}  // namespace
}  // namespace optim_test
