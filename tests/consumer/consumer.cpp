// A user's C++17 program: AdamW in double precision, in two parameter groups, through the installed library.
#include <optim/optim.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

void check(optim_status status) {
  if (status != OPTIM_OK) throw std::runtime_error(std::string(optim_status_name(status)) + ": " + optim_last_error());
}

struct Free {
  void operator()(optim_engine* engine) const { optim_engine_free(engine); }
  void operator()(optim_plan* plan) const { optim_plan_free(plan); }
};
using Engine = std::unique_ptr<optim_engine, Free>;
using Plan = std::unique_ptr<optim_plan, Free>;

Plan make_plan(optim_engine* engine, const std::vector<optim_tensor>& tensors, const std::vector<double>& rates) {
  std::vector<std::int64_t> groups(tensors.size());
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<std::int64_t>(i);
  optim_plan_options options{};
  options.size = sizeof options;
  options.rule = "adamw";
  options.group_count = static_cast<std::int64_t>(rates.size());
  options.hyper_count = 1;
  options.hypers = rates.data();
  options.tensor_count = static_cast<std::int64_t>(tensors.size());
  options.params = tensors.data();
  options.group_of = groups.data();
  options.grad_dtype = -1;
  options.state_dtype = -1;
  optim_plan* plan = nullptr;
  check(optim_plan_create(engine, &options, &plan));
  return Plan(plan);
}

void run() {
  optim_engine* raw = nullptr;
  check(optim_engine_create(nullptr, &raw));
  const Engine engine(raw);

  std::vector<std::vector<double>> params{{4.0, -3.0}, {1.0, 2.0, 3.0}};
  std::vector<std::vector<double>> grads{std::vector<double>(2), std::vector<double>(3)};
  std::vector<optim_tensor> tensors(params.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    tensors[i].size = sizeof(optim_tensor);
    tensors[i].data = params[i].data();
    tensors[i].dtype = OPTIM_F64;
    tensors[i].rank = 1;
    tensors[i].shape[0] = static_cast<std::int64_t>(params[i].size());
  }

  bool refused = false;
  try {
    make_plan(engine.get(), tensors, {0.1, std::nan("")});
  } catch (const std::runtime_error& error) {
    refused = std::string(error.what()).find("OPTIM_INVALID_ARGUMENT") == 0;
  }
  if (!refused) throw std::runtime_error("a learning rate of NaN was not refused");

  // The second group's learning rate of 0 must leave its tensor alone.
  const Plan plan = make_plan(engine.get(), tensors, {0.1, 0.0});
  std::vector<std::vector<unsigned char>> states;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(params.size()); ++i) {
    std::int64_t slots = 0;
    check(optim_plan_slot_count(plan.get(), i, &slots));
    for (std::int64_t k = 0; k < slots; ++k) {
      optim_slot slot{};
      slot.size = sizeof slot;
      check(optim_plan_slot(plan.get(), i, k, &slot));
      states.emplace_back(slot.bytes);
    }
  }
  std::vector<void*> param_pointers, grad_pointers, state_pointers;
  for (auto& values : params) param_pointers.push_back(values.data());
  for (auto& values : grads) grad_pointers.push_back(values.data());
  for (auto& values : states) state_pointers.push_back(values.data());
  check(optim_plan_bind(plan.get(), param_pointers.data(), grad_pointers.data(), state_pointers.data()));
  check(optim_plan_init_states(plan.get()));

  for (int step = 0; step < 500; ++step) {
    for (std::size_t i = 0; i < params.size(); ++i)
      for (std::size_t k = 0; k < params[i].size(); ++k) grads[i][k] = 2.0 * params[i][k];
    check(optim_plan_step(plan.get(), nullptr));
  }
  for (const double value : params[0])
    if (!(std::fabs(value) < 0.05)) throw std::runtime_error("not at the minimum: " + std::to_string(value));
  if (params[1] != std::vector<double>{1.0, 2.0, 3.0}) throw std::runtime_error("a learning rate of 0 changed a tensor");
}

}  // namespace

int main() {
  try {
    run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::printf("C++: adamw of optim %s reached the minimum\n", optim_version());
  return 0;
}
