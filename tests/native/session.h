// A plan with all its buffers: what a training program owns, reduced to what tests ask of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fixture.h"

namespace optim_test {

struct TensorSpec {
  Shape shape;
  Shape strides = {};  // empty = row-major
  int32_t param = 0;  // dtype; 0 = that of the plan
};

struct PlanSpec {
  std::string rule;
  std::vector<TensorSpec> tensors;
  std::vector<std::vector<double>> hypers = {{}};  // one row per group
  std::vector<int64_t> group_of = {};              // empty = all in group 0
  optim_helpers helpers = sized<optim_helpers>();
  int32_t param = OPTIM_F32;
  int32_t grad = OPTIM_F32;
  int32_t state = OPTIM_F32;
  int64_t offset = 0;  // elements by which every buffer is moved off its alignment
  bool master_weights = false;
  bool stochastic_rounding = false;
  uint64_t rounding_seed = 0;
  std::vector<int32_t> steps_by_group = {};  // empty = none

  int32_t param_of(const TensorSpec& tensor) const { return tensor.param != 0 ? tensor.param : param; }
};

PlanSpec all_f64(PlanSpec spec);

// Creates a plan, or returns the status that refused it.
optim_status create_plan(Engine& engine, const PlanSpec& spec, optim_plan** plan);

// The inputs that the rule needs beside gradients.
const std::vector<std::string>& needs_of(const PlanSpec& spec);

// Whether the rule has a state of that name for some values of its hyper-parameters only.
bool is_conditional(const PlanSpec& spec, const std::string& slot);

// Everything a step may change, to the bit.
struct Snapshot {
  std::vector<Bytes> params;
  std::vector<std::vector<Bytes>> states;  // [tensor][slot]
  std::vector<int64_t> steps;              // [tensor]
  std::vector<int64_t> input_steps;        // [tensor]
  std::vector<int32_t> stepped;            // [tensor]
};
testing::AssertionResult equal(const Snapshot& a, const Snapshot& b);

class Session {
 public:
  struct SlotInfo {
    std::string name;
    Shape shape;
    int32_t dtype;
  };

  Session(Engine& engine, PlanSpec spec);
  ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  optim_plan* plan() const { return plan_.get(); }
  const PlanSpec& spec() const { return spec_; }
  size_t size() const { return spec_.tensors.size(); }
  const std::vector<SlotInfo>& slots(size_t tensor) const { return slots_[tensor]; }
  int slot(size_t tensor, const std::string& name) const;  // -1: none of that name

  // All numbers are in logical (row-major) order, whatever the strides.
  void set_param(size_t tensor, const Values& values);
  void set_grad(size_t tensor, const Values& values);
  void set_state(size_t tensor, size_t slot, const Values& values);
  Values param(size_t tensor) const;
  Values grad(size_t tensor) const;
  Values state(size_t tensor, size_t slot) const;
  Buffer& param_buffer(size_t tensor) { return *params_[tensor]; }
  Buffer& grad_buffer(size_t tensor) { return *grads_[tensor]; }
  Buffer& state_buffer(size_t tensor, size_t slot) { return *states_[tensor][slot]; }

  void bind();                                  // all buffers, with NULL for absent gradients
  void set_absent(size_t tensor, bool absent);  // takes effect at once
  // Inputs of the rule, like its gradients: of one tensor, and whether steps get those of all tensors.
  void set_input(size_t tensor, size_t input, const Values& values);
  void give_inputs(bool given);
  void copy_inputs(const Session& from);
  std::vector<void*> input_pointers() const;
  bool absent(size_t tensor) const { return absent_[tensor]; }
  void init() { check(optim_plan_init_states(plan_.get())); }
  void step(const optim_step* options = nullptr) { check(optim_plan_step(plan_.get(), options)); }

  // Random parameters and gradients that depend on the seed and the tensor's key (its index unless set otherwise), so
  // that two sessions see the same numbers wherever the tensor stands.
  void set_keys(std::vector<uint64_t> keys) { keys_ = std::move(keys); }
  void random_params(uint64_t seed = 1);
  void random_grads(uint64_t seed);
  void start(uint64_t seed = 1);                      // random parameters, then init
  void train(int64_t first_step, int64_t last_step);  // random gradients of each step, then the step

  Snapshot snapshot() const;
  void restore(const Snapshot& snapshot);
  int64_t counter(size_t tensor = 0) const { return snapshot().steps[tensor]; }

  // Fresh buffers with the same contents; the old ones live until the session ends and are returned to be examined.
  std::vector<Buffer*> move_buffers();

 private:
  Buffer& add(int32_t dtype, int64_t count);
  uint64_t key(size_t tensor) const { return keys_.empty() ? tensor : keys_[tensor]; }
  const Shape& slot_strides(size_t tensor, size_t slot) const;

  Engine& engine_;
  PlanSpec spec_;
  std::vector<std::vector<SlotInfo>> slots_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<Buffer*> params_;
  std::vector<Buffer*> grads_;
  std::vector<std::vector<Buffer*>> inputs_;
  bool inputs_given_ = true;
  std::vector<std::vector<Buffer*>> states_;
  std::vector<bool> absent_;
  std::vector<uint64_t> keys_;
  struct Free {
    void operator()(optim_plan* plan) const { optim_plan_free(plan); }
  };
  std::unique_ptr<optim_plan, Free> plan_;  // last, since buffers outlive the plan that they are bound to
};

// The variants (schema.h) that the rule does not refuse.
std::vector<Variant> accepted_variants(Engine& engine, const Rule& rule);

// Shapes of every rank with odd sizes; with rows and tensors of several tiles unless the rule is a matrix rule, whose
// work grows with the cube of a dimension.
std::vector<TensorSpec> shapes_for(const Rule& rule);
std::vector<TensorSpec> small_shapes();
std::vector<TensorSpec> few_shapes(const Rule& rule);  // the small ones and one of several tiles

}  // namespace optim_test
