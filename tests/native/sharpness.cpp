#include "sharpness.h"

namespace optim_test {

Sharpness::Sharpness(Engine& engine, Session& session, const std::vector<std::vector<double>>& rows)
    : session_(session) {
  PlanSpec spec = session.spec();
  spec.helpers = sized<optim_helpers>();
  for (const char* rule : {"sam_perturb", "sam_restore"}) {
    const bool first = plans_[0] == nullptr;
    spec.rule = rule;
    spec.hypers = first ? rows : std::vector<std::vector<double>>(rows.size());
    optim_plan* plan = nullptr;
    check(create_plan(engine, spec, &plan));
    plans_[first ? 0 : 1].reset(plan);
  }
  for (size_t i = 0; i < session.size(); ++i) {
    auto slot = sized<optim_slot>();
    check(optim_plan_slot(plans_[0].get(), static_cast<int64_t>(i), 0, &slot));
    EXPECT_EQ(std::string(slot.name), "old_p");
    EXPECT_EQ(slot.dtype, spec.param);
    old_.push_back(std::make_unique<Buffer>(engine, slot.dtype, numel(spec.tensors[i].shape), spec.offset));
  }
}

void Sharpness::perturb() {
  std::vector<void*> params, grads, old;
  for (size_t i = 0; i < session_.size(); ++i) {
    params.push_back(session_.param_buffer(i).data());
    grads.push_back(session_.absent(i) ? nullptr : session_.grad_buffer(i).data());
    old.push_back(old_[i]->data());
  }
  for (const auto& plan : plans_) check(optim_plan_bind(plan.get(), params.data(), grads.data(), old.data()));
  check(optim_plan_step(plans_[0].get(), nullptr));
}

void Sharpness::restore() { check(optim_plan_step(plans_[1].get(), nullptr)); }

}  // namespace optim_test
