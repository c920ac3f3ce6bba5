// One step of a rule over lists of tensors that a function of the C ABI was given, and nothing kept: how a helper works
// alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "abi/boundary.h"

namespace optim::abi {

class Standalone {
 public:
  // params or grads may be NULL: the step then has only the other. All default hyper-parameters.
  Standalone(optim_engine* engine, int rule, int64_t count, const optim_tensor* params, const optim_tensor* grads);

  HelperSettings& helpers() { return description_.helpers; }
  void set_hyper(const char* name, double value);

  // A state of the rule or of a helper, one for each tensor; `copies`: of the tensors' own storage types.
  void set_states(const optim_tensor* states, const char* name, bool copies = false);

  void run(const StepInputs& inputs = {}, int64_t step = 1);

  Executor& executor() { return plan_->executor(); }
  Engine& engine() { return engine_; }

 private:
  void add(std::size_t i, const optim_tensor& tensor, const optim_tensor& grad, const char* name, bool both);
  void check_shape(std::size_t i, const Layout& layout, const char* name) const;

  Engine& engine_;
  bool has_params_, has_grads_;
  PlanDescription description_{};
  std::vector<void*> params_, grads_, states_;
  std::unique_ptr<Plan> plan_;
};

// The rule that does nothing, and hands the prepared gradient back.
int standalone_rule();

// A list that may be NULL only when it is empty.
const optim_tensor* required(const optim_tensor* tensors, int64_t count, const char* name);

// Values of helpers; they throw unless the value is allowed.
double positive(const char* name, double value);
double or_default(const char* name, double value, double otherwise);  // 0: otherwise

}  // namespace optim::abi
