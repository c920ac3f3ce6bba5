// Plans.
#include <algorithm>
#include <cmath>

#include "abi/boundary.h"
#include "core/registry.h"

using namespace optim;
using namespace optim::abi;

namespace {

Plan& plan_of(const optim_plan* plan) { return *require(plan, "plan").plan; }

int checked_group(const Plan& plan, std::int64_t group) {
  const auto groups = static_cast<std::int64_t>(plan.hypers().size());
  if (group < 0 || group >= groups) invalid("group is ", group, "; the plan has ", groups);
  return static_cast<int>(group);
}

// Of the flags of groups or tensors; names are built only for what is refused.
bool checked_flag(const char* name, std::size_t index, std::int32_t value) {
  if (value != 0 && value != 1) invalid(name, "[", index, "] is ", value, "; allowed are 0 and 1");
  return value != 0;
}

std::int64_t checked_steps(const char* name, std::size_t tensor, std::int64_t steps) {
  constexpr std::int64_t last = std::int64_t{1} << 53;  // rules see it as a double
  if (steps < 0 || steps > last) invalid(name, "[", tensor, "] is ", steps, "; allowed are 0 to ", last);
  return steps;
}

const PlanTensor& checked_tensor(const Plan& plan, std::int64_t tensor) {
  const auto tensors = static_cast<std::int64_t>(plan.tensors().size());
  if (tensor < 0 || tensor >= tensors) invalid("tensor is ", tensor, "; the plan has ", tensors);
  return plan.tensors()[static_cast<std::size_t>(tensor)];
}

int checked_hyper_count(const RuleInfo& rule, const char* name, std::int64_t count) {
  if (count < 0 || count > static_cast<std::int64_t>(rule.hypers.size())) {
    invalid(name, " is ", count, "; ", rule.name, " has ", rule.hypers.size(), " hyper-parameters");
  }
  return static_cast<int>(count);
}

std::vector<HyperRow> read_hypers(const RuleInfo& rule, const optim_plan_options& o) {
  constexpr std::int64_t most_groups = 1 << 20;
  if (o.group_count < 1 || o.group_count > most_groups) {
    invalid("options.group_count is ", o.group_count, "; allowed are 1 to ", most_groups);
  }
  const int given = checked_hyper_count(rule, "options.hyper_count", o.hyper_count);
  if (given > 0) require(o.hypers, "options.hypers");
  HyperRow defaults{};
  for (std::size_t i = 0; i < rule.hypers.size(); ++i) defaults[i] = rule.hypers[i].default_value;
  std::vector<HyperRow> rows(static_cast<std::size_t>(o.group_count), defaults);
  for (std::size_t g = 0; g < rows.size(); ++g) {
    std::copy_n(o.hypers + static_cast<std::int64_t>(g) * given, given, rows[g].begin());
  }
  return rows;
}

DType state_dtype_for(const optim_plan_options& o, DType param) {
  if (o.state_dtype == 0) return param == DType::f64 ? DType::f64 : DType::f32;
  return checked_dtype("options", ".state_dtype", o.state_dtype);
}

PlanDescription read_description(const optim_plan_options& o) {
  PlanDescription d{};
  d.rule = find_rule(&require(o.rule, "options.rule"));
  d.hypers = read_hypers(registry()[static_cast<std::size_t>(d.rule)], o);
  for (std::size_t g = 0; g < d.hypers.size() && o.steps_by_group != nullptr; ++g) {
    d.steps_by_group.push_back(checked_flag("options.steps_by_group", g, o.steps_by_group[g]));
  }
  if (o.helpers != nullptr) d.helpers = read_helpers(o.helpers);
  d.storage = {flag("options.master_weights", o.master_weights),
               flag("options.stochastic_rounding", o.stochastic_rounding), o.rounding_seed};
  const std::vector<optim_tensor> params =
      read_tensors(o.params, o.tensor_count, "options.params", "options.tensor_count");
  // Also where there is no tensor that would have them.
  if (o.grad_dtype != 0) checked_dtype("options", ".grad_dtype", o.grad_dtype);
  if (o.state_dtype != 0) checked_dtype("options", ".state_dtype", o.state_dtype);
  d.tensors.reserve(params.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Layout param = layout_of(params[i], Name("options.params", static_cast<std::int64_t>(i)));
    const std::int64_t group = o.group_of != nullptr ? o.group_of[i] : 0;
    if (group < 0 || group >= o.group_count) {
      invalid("options.group_of[", i, "] is ", group, "; the plan has ", o.group_count, " groups");
    }
    const DType grad = o.grad_dtype == 0 ? param.dtype : checked_dtype("options", ".grad_dtype", o.grad_dtype);
    d.tensors.push_back({param, grad, state_dtype_for(o, param.dtype), static_cast<int>(group), params[i].data});
  }
  return d;
}

}  // namespace

optim_status optim_plan_create(optim_engine* engine, const optim_plan_options* options, optim_plan** plan) {
  return guarded([&] {
    Engine& e = *require(engine, "engine").engine;
    require(plan, "plan");
    auto result = std::make_unique<optim_plan>();
    result->plan = std::make_unique<Plan>(e, read_description(read_struct(options, "options")));
    *plan = result.release();
  });
}

void optim_plan_free(optim_plan* plan) { delete plan; }

optim_status optim_plan_slot_count(const optim_plan* plan, int64_t tensor, int64_t* count) {
  return guarded([&] {
    const PlanTensor& t = checked_tensor(plan_of(plan), tensor);
    require(count, "count");
    *count = static_cast<int64_t>(t.slots.size());
  });
}

optim_status optim_plan_slot(const optim_plan* plan, int64_t tensor, int64_t index, optim_slot* slot) {
  return guarded([&] {
    const PlanTensor& t = checked_tensor(plan_of(plan), tensor);
    const auto slots = static_cast<std::int64_t>(t.slots.size());
    if (index < 0 || index >= slots) invalid("index is ", index, "; the tensor has ", slots, " slots");
    const Slot& from = t.slots[static_cast<std::size_t>(index)];
    optim_slot out{};
    out.name = from.name.c_str();
    out.bytes = from.layout.bytes();
    out.dtype = code_of(from.layout.dtype);
    out.rank = from.layout.rank;
    std::copy(from.layout.shape.begin(), from.layout.shape.end(), out.shape);
    write_struct(out, slot, "slot");
  });
}

optim_status optim_plan_bind(optim_plan* plan, void* const* params, void* const* grads, void* const* states) {
  return guarded([&] { plan_of(plan).bind(params, grads, states); });
}

optim_status optim_plan_init_states(optim_plan* plan) {
  return guarded([&] { plan_of(plan).init_states(); });
}

optim_status optim_plan_step(optim_plan* plan, const optim_step* options) {
  return guarded([&] {
    Plan& p = plan_of(plan);
    StepInputs inputs;
    if (options != nullptr) {
      const optim_step o = read_struct(options, "options");
      inputs.grad_scale = o.grad_scale;
      inputs.found_inf = o.found_inf;
      inputs.overflow = o.overflow;
      inputs.skip_nonfinite = o.overflow != nullptr;
      const auto check = [&](const char* name, const float* scalar) {
        if (scalar != nullptr) p.engine().check_address(name, scalar, sizeof(float));
      };
      check("grad_scale", o.grad_scale);
      check("found_inf", o.found_inf);
      check("overflow", o.overflow);
    }
    p.step(inputs);
  });
}

optim_status optim_plan_get_steps(const optim_plan* plan, int64_t* steps, int64_t* input_steps, int32_t* stepped) {
  return guarded([&] {
    const std::vector<StepCounts> counts = plan_of(plan).executor().counts();
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (steps != nullptr) steps[i] = counts[i].steps;
      if (input_steps != nullptr) input_steps[i] = counts[i].input_steps;
      if (stepped != nullptr) stepped[i] = counts[i].stepped ? 1 : 0;
    }
  });
}

optim_status optim_plan_set_steps(optim_plan* plan, const int64_t* steps, const int64_t* input_steps,
                                  const int32_t* stepped) {
  return guarded([&] {
    Plan& p = plan_of(plan);
    std::vector<StepCounts> counts(p.tensors().size());
    if (!counts.empty()) require(steps, "steps");
    for (std::size_t i = 0; i < counts.size(); ++i) {
      counts[i].steps = checked_steps("steps", i, steps[i]);
      if (input_steps != nullptr) counts[i].input_steps = checked_steps("input_steps", i, input_steps[i]);
      counts[i].stepped = stepped != nullptr ? checked_flag("stepped", i, stepped[i]) : steps[i] > 0;
    }
    p.set_counts(counts);
  });
}

optim_status optim_plan_bind_inputs(optim_plan* plan, void* const* inputs) {
  return guarded([&] {
    Plan& p = plan_of(plan);
    if (!p.tensors().empty()) require(inputs, "inputs");
    p.bind_inputs(inputs);
  });
}

optim_status optim_plan_get_hypers(const optim_plan* plan, int64_t group, double* hypers, int64_t count) {
  return guarded([&] {
    const Plan& p = plan_of(plan);
    const int g = checked_group(p, group);
    const int n = checked_hyper_count(p.rule(), "count", count);
    if (n > 0) require(hypers, "hypers");
    std::copy_n(p.hypers()[static_cast<std::size_t>(g)].begin(), n, hypers);
  });
}

optim_status optim_plan_set_hypers(optim_plan* plan, int64_t group, const double* hypers, int64_t count) {
  return guarded([&] {
    Plan& p = plan_of(plan);
    const int g = checked_group(p, group);
    const int n = checked_hyper_count(p.rule(), "count", count);
    if (n > 0) require(hypers, "hypers");
    p.set_hypers(g, hypers, n);
  });
}

optim_status optim_plan_bytes_per_step(const optim_plan* plan, uint64_t* bytes) {
  return guarded([&] {
    const Plan& p = plan_of(plan);
    require(bytes, "bytes");
    *bytes = p.bytes_per_step();
  });
}

optim_status optim_plan_queued_work(const optim_plan* plan, uint64_t* launches, uint64_t* uploads) {
  return guarded([&] {
    Plan& p = *require(plan, "plan").plan;
    const QueuedWork work = p.executor().queued_by_step();
    if (launches != nullptr) *launches = work.launches;
    if (uploads != nullptr) *uploads = work.uploads;
  });
}
