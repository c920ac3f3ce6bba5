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

std::int64_t checked_step(std::int64_t step) {
  constexpr std::int64_t last = std::int64_t{1} << 53;  // rules see it as a double
  if (step < 0 || step > last) invalid("step is ", step, "; allowed are 0 to ", last);
  return step;
}

const PlanTensor& checked_tensor(const Plan& plan, std::int64_t tensor) {
  const auto tensors = static_cast<std::int64_t>(plan.tensors().size());
  if (tensor < 0 || tensor >= tensors) invalid("tensor is ", tensor, "; the plan has ", tensors);
  return plan.tensors()[static_cast<std::size_t>(tensor)];
}

// A counter of a group's steps.
template <class Get>
optim_status get_count(const optim_plan* plan, std::int64_t group, std::int64_t* step, const Get& get) {
  return guarded([&] {
    Plan& p = plan_of(plan);
    const int g = checked_group(p, group);
    require(step, "step");
    *step = get(p, g);
  });
}

template <class Set>
optim_status set_count(const optim_plan* plan, std::int64_t group, std::int64_t step, const Set& set) {
  return guarded([&] {
    Plan& p = plan_of(plan);
    const int g = checked_group(p, group);
    set(p, g, checked_step(step));
  });
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
  if (o.state_dtype == -1) return param == DType::f64 ? DType::f64 : DType::f32;
  return checked_dtype("options.state_dtype", o.state_dtype);
}

PlanDescription read_description(const optim_plan_options& o) {
  PlanDescription d{};
  d.rule = find_rule(&require(o.rule, "options.rule"));
  d.hypers = read_hypers(registry()[static_cast<std::size_t>(d.rule)], o);
  if (o.helpers != nullptr) d.helpers = read_helpers(o.helpers);
  d.storage = {flag("options.master_weights", o.master_weights),
               flag("options.stochastic_rounding", o.stochastic_rounding), o.rounding_seed};
  const std::vector<optim_tensor> params =
      read_tensors(o.params, o.tensor_count, "options.params", "options.tensor_count");
  d.tensors.reserve(params.size());
  for (std::size_t i = 0; i < params.size(); ++i) {
    const Layout param = layout_of(params[i], message("options.params[", i, "]"));
    const std::int64_t group = o.group_of != nullptr ? o.group_of[i] : 0;
    if (group < 0 || group >= o.group_count) {
      invalid("options.group_of[", i, "] is ", group, "; the plan has ", o.group_count, " groups");
    }
    const DType grad = o.grad_dtype == -1 ? param.dtype : checked_dtype("options.grad_dtype", o.grad_dtype);
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
    out.dtype = static_cast<std::int32_t>(from.layout.dtype);
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

optim_status optim_plan_get_step(const optim_plan* plan, int64_t group, int64_t* step) {
  return get_count(plan, group, step, [](Plan& p, int g) { return p.executor().step_count(g); });
}

optim_status optim_plan_set_step(optim_plan* plan, int64_t group, int64_t step) {
  return set_count(plan, group, step,
                   [](Plan& p, int g, std::int64_t count) { p.executor().set_step_count(g, count); });
}

optim_status optim_plan_get_stepped(const optim_plan* plan, int32_t* stepped) {
  return guarded([&] {
    const Plan& p = plan_of(plan);
    if (p.tensors().empty()) return;
    require(stepped, "stepped");
    const std::vector<std::int32_t> values = p.executor().stepped();
    std::copy(values.begin(), values.end(), stepped);
  });
}

optim_status optim_plan_set_stepped(optim_plan* plan, const int32_t* stepped) {
  return guarded([&] {
    Plan& p = plan_of(plan);
    if (p.tensors().empty()) return;
    require(stepped, "stepped");
    const std::vector<std::int32_t> values(stepped, stepped + p.tensors().size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] != 0 && values[i] != 1) invalid("stepped[", i, "] is ", values[i], "; allowed are 0 and 1");
    }
    p.executor().set_stepped(values);
  });
}

optim_status optim_plan_bind_inputs(optim_plan* plan, void* const* inputs) {
  return guarded([&] {
    Plan& p = plan_of(plan);
    if (!p.tensors().empty()) require(inputs, "inputs");
    p.bind_inputs(inputs);
  });
}

optim_status optim_plan_get_input_step(const optim_plan* plan, int64_t group, int64_t* step) {
  return get_count(plan, group, step, [](Plan& p, int g) { return p.input_step_count(g); });
}

optim_status optim_plan_set_input_step(optim_plan* plan, int64_t group, int64_t step) {
  return set_count(plan, group, step, [](Plan& p, int g, std::int64_t count) { p.set_input_step_count(g, count); });
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
