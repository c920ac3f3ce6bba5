#include "session.h"

#include <algorithm>
#include <stdexcept>

namespace optim_test {

PlanSpec all_f64(PlanSpec spec) {
  spec.param = spec.grad = spec.state = OPTIM_F64;
  return spec;
}

optim_status create_plan(Engine& engine, const PlanSpec& spec, optim_plan** plan) {
  std::vector<optim_tensor> params;
  for (const TensorSpec& t : spec.tensors) params.push_back(tensor_view(t.shape, spec.param_of(t), nullptr, t.strides));
  std::vector<double> rows;
  for (const auto& row : spec.hypers) rows.insert(rows.end(), row.begin(), row.end());
  auto options = sized<optim_plan_options>();
  options.rule = spec.rule.c_str();
  options.group_count = static_cast<int64_t>(spec.hypers.size());
  options.hyper_count = static_cast<int64_t>(spec.hypers.front().size());
  options.hypers = rows.data();
  options.tensor_count = static_cast<int64_t>(params.size());
  options.params = params.data();
  options.group_of = spec.group_of.empty() ? nullptr : spec.group_of.data();
  options.helpers = &spec.helpers;
  options.grad_dtype = spec.grad;
  options.state_dtype = spec.state;
  options.master_weights = spec.master_weights ? 1 : 0;
  options.stochastic_rounding = spec.stochastic_rounding ? 1 : 0;
  options.rounding_seed = spec.rounding_seed;
  options.steps_by_group = spec.steps_by_group.empty() ? nullptr : spec.steps_by_group.data();
  return optim_plan_create(engine, &options, plan);
}

const std::vector<std::string>& needs_of(const PlanSpec& spec) {
  static const std::vector<std::string> none;
  const Rule* const rule = find_rule(spec.rule);
  return rule != nullptr ? rule->needs : none;
}

bool is_conditional(const PlanSpec& spec, const std::string& slot) {
  const Rule* const rule = find_rule(spec.rule);
  return rule != nullptr && std::any_of(rule->slots.begin(), rule->slots.end(),
                                        [&](const Slot& s) { return s.name == slot && s.conditional; });
}

testing::AssertionResult equal(const Snapshot& a, const Snapshot& b) {
  const auto differ = [](const std::string& what) { return testing::AssertionFailure() << what << " differ"; };
  if (a.params.size() != b.params.size() || a.states.size() != b.states.size()) return differ("numbers of tensors");
  if (a.steps != b.steps || a.input_steps != b.input_steps) return differ("step counters");
  if (a.stepped != b.stepped) return differ("the tensors that were stepped");
  for (size_t i = 0; i < a.params.size(); ++i) {
    if (a.params[i] != b.params[i]) return differ("parameters of tensor " + std::to_string(i));
    for (size_t s = 0; s < a.states[i].size(); ++s) {
      if (a.states[i] != b.states[i] && a.states[i][s] != b.states[i].at(s)) {
        return differ("states of tensor " + std::to_string(i) + " in slot " + std::to_string(s));
      }
    }
  }
  return testing::AssertionSuccess();
}

Session::Session(Engine& engine, PlanSpec spec) : engine_(engine), spec_(std::move(spec)) {
  optim_plan* plan = nullptr;
  check(create_plan(engine, spec_, &plan));
  plan_.reset(plan);
  for (size_t i = 0; i < size(); ++i) {
    const int64_t count = numel(spec_.tensors[i].shape);
    params_.push_back(&add(spec_.param_of(spec_.tensors[i]), count));
    grads_.push_back(&add(spec_.grad, count));
    inputs_.emplace_back();
    for (size_t k = 0; k < needs_of(spec_).size(); ++k) inputs_.back().push_back(&add(spec_.grad, count));
    int64_t slot_count = 0;
    check(optim_plan_slot_count(plan_.get(), static_cast<int64_t>(i), &slot_count));
    slots_.emplace_back();
    states_.emplace_back();
    for (int64_t s = 0; s < slot_count; ++s) {
      auto slot = sized<optim_slot>();
      check(optim_plan_slot(plan_.get(), static_cast<int64_t>(i), s, &slot));
      const Shape shape(slot.shape, slot.shape + slot.rank);
      EXPECT_EQ(slot.bytes, static_cast<uint64_t>(numel(shape) * element_size(slot.dtype))) << slot.name;
      slots_.back().push_back({slot.name, shape, slot.dtype});
      states_.back().push_back(&add(slot.dtype, numel(shape)));
    }
  }
  absent_.assign(size(), false);
  bind();
}

Buffer& Session::add(int32_t dtype, int64_t count) {
  buffers_.push_back(std::make_unique<Buffer>(engine_, dtype, count, spec_.offset));
  return *buffers_.back();
}

int Session::slot(size_t tensor, const std::string& name) const {
  for (size_t s = 0; s < slots_[tensor].size(); ++s) {
    if (slots_[tensor][s].name == name) return static_cast<int>(s);
  }
  return -1;
}

// Per-element states have the strides of their parameter; all other states are row-major.
const Shape& Session::slot_strides(size_t tensor, size_t slot) const {
  static const Shape row_major;
  const TensorSpec& t = spec_.tensors[tensor];
  return slots_[tensor][slot].shape == t.shape ? t.strides : row_major;
}

void Session::set_param(size_t tensor, const Values& values) {
  const TensorSpec& t = spec_.tensors[tensor];
  params_[tensor]->write(to_memory(t.shape, t.strides, values));
}
void Session::set_grad(size_t tensor, const Values& values) {
  const TensorSpec& t = spec_.tensors[tensor];
  grads_[tensor]->write(to_memory(t.shape, t.strides, values));
}
void Session::set_input(size_t tensor, size_t input, const Values& values) {
  const TensorSpec& t = spec_.tensors[tensor];
  inputs_[tensor][input]->write(to_memory(t.shape, t.strides, values));
}
void Session::give_inputs(bool given) {
  inputs_given_ = given;
  bind();
}
void Session::copy_inputs(const Session& from) {
  for (size_t i = 0; i < size(); ++i) {
    for (size_t k = 0; k < inputs_[i].size(); ++k) {
      const TensorSpec& t = from.spec_.tensors[i];
      set_input(i, k, to_logical(t.shape, t.strides, from.inputs_[i][k]->values()));
    }
  }
}
std::vector<void*> Session::input_pointers() const {
  std::vector<void*> pointers;
  for (const auto& of_tensor : inputs_) {
    for (Buffer* input : of_tensor) pointers.push_back(inputs_given_ ? input->data() : nullptr);
  }
  return pointers;
}
void Session::set_state(size_t tensor, size_t slot, const Values& values) {
  states_[tensor][slot]->write(to_memory(slots_[tensor][slot].shape, slot_strides(tensor, slot), values));
}
Values Session::param(size_t tensor) const {
  const TensorSpec& t = spec_.tensors[tensor];
  return to_logical(t.shape, t.strides, params_[tensor]->values());
}
Values Session::grad(size_t tensor) const {
  const TensorSpec& t = spec_.tensors[tensor];
  return to_logical(t.shape, t.strides, grads_[tensor]->values());
}
Values Session::state(size_t tensor, size_t slot) const {
  return to_logical(slots_[tensor][slot].shape, slot_strides(tensor, slot), states_[tensor][slot]->values());
}

void Session::bind() {
  std::vector<void*> params;
  std::vector<void*> grads;
  std::vector<void*> states;
  for (size_t i = 0; i < size(); ++i) {
    params.push_back(params_[i]->data());
    grads.push_back(absent_[i] ? nullptr : grads_[i]->data());
    for (Buffer* state : states_[i]) states.push_back(state->data());
  }
  check(optim_plan_bind(plan_.get(), params.data(), grads.data(), states.data()));
  const std::vector<void*> inputs = input_pointers();
  if (!inputs.empty()) check(optim_plan_bind_inputs(plan_.get(), inputs.data()));
}

void Session::set_absent(size_t tensor, bool absent) {
  absent_[tensor] = absent;
  bind();
}

void Session::random_params(uint64_t seed) {
  for (size_t i = 0; i < size(); ++i) set_param(i, random_values(seed * 1000003 + key(i), params_[i]->count()));
}

void Session::random_grads(uint64_t seed) {
  for (size_t i = 0; i < size(); ++i) {
    set_grad(i, random_values(seed * 2000003 + key(i) + 17, grads_[i]->count()));
    for (size_t k = 0; k < inputs_[i].size(); ++k) {
      set_input(i, k, random_values(seed * 3000017 + key(i) + 29 * (k + 1), grads_[i]->count()));
    }
  }
}

void Session::start(uint64_t seed) {
  random_params(seed);
  init();
}

void Session::train(int64_t first_step, int64_t last_step) {
  for (int64_t s = first_step; s <= last_step; ++s) {
    random_grads(static_cast<uint64_t>(s));
    step();
  }
}

Snapshot Session::snapshot() const {
  Snapshot s;
  for (size_t i = 0; i < size(); ++i) {
    s.params.push_back(params_[i]->bytes());
    s.states.emplace_back();
    for (Buffer* state : states_[i]) s.states.back().push_back(state->bytes());
  }
  s.steps.resize(size());
  s.input_steps.resize(size());
  s.stepped.resize(size());
  check(optim_plan_get_steps(plan_.get(), s.steps.data(), s.input_steps.data(), s.stepped.data()));
  return s;
}

void Session::restore(const Snapshot& snapshot) {
  for (size_t i = 0; i < size(); ++i) {
    params_[i]->write(snapshot.params[i]);
    for (size_t s = 0; s < states_[i].size(); ++s) states_[i][s]->write(snapshot.states[i][s]);
  }
  check(optim_plan_set_steps(plan_.get(), snapshot.steps.data(), snapshot.input_steps.data(), snapshot.stepped.data()));
}

std::vector<Buffer*> Session::move_buffers() {
  std::vector<Buffer*> old;
  const auto move = [&](Buffer*& buffer) {
    Buffer& fresh = add(buffer->dtype(), buffer->count());
    fresh.write(buffer->bytes());
    old.push_back(buffer);
    buffer = &fresh;
  };
  for (size_t i = 0; i < size(); ++i) {
    move(params_[i]);
    move(grads_[i]);
    for (Buffer*& input : inputs_[i]) move(input);
    for (Buffer*& state : states_[i]) move(state);
  }
  bind();
  return old;
}

std::vector<Variant> accepted_variants(Engine& engine, const Rule& rule) {
  std::vector<Variant> accepted;
  for (Variant& variant : variants(rule)) {
    PlanSpec spec{rule.name, {{{3}}}, {variant.hypers}};
    optim_plan* plan = nullptr;
    const optim_status status = create_plan(engine, spec, &plan);
    optim_plan_free(plan);
    if (status == OPTIM_OK) {
      accepted.push_back(std::move(variant));
    } else {
      EXPECT_EQ(status, OPTIM_INVALID_ARGUMENT) << rule.name << " " << variant.name << ": " << optim_last_error();
    }
  }
  return accepted;
}

std::vector<TensorSpec> small_shapes() {
  return {{{}}, {{1}}, {{7}}, {{0}}, {{5, 3}}, {{1, 9}}, {{4, 3, 5}}, {{3, 2, 3, 3}}, {{2, 3, 2, 2, 2}}};
}

std::vector<TensorSpec> few_shapes(const Rule& rule) {
  std::vector<TensorSpec> shapes = small_shapes();
  shapes.push_back({rule.shape == "matrix" ? Shape{17, 33} : Shape{2, 2500}});
  return shapes;
}

std::vector<TensorSpec> shapes_for(const Rule& rule) {
  std::vector<TensorSpec> shapes = small_shapes();
  if (rule.shape == "matrix") {
    shapes.push_back({{37}});
    shapes.push_back({{17, 33}});
  } else {
    shapes.push_back({{1031}});
    shapes.push_back({{9, 17}});
    shapes.push_back({{1300, 3}});
    shapes.push_back({{2, 2500}});
    shapes.push_back({{5003}});
    shapes.push_back({{0, 4}});
  }
  return shapes;
}

}  // namespace optim_test
