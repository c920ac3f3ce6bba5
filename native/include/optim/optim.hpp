// The C ABI of optim.h with owners and exceptions, for C++17. Nothing is added to it: every function of optim.h takes
// what get() gives.
#ifndef OPTIM_OPTIM_HPP
#define OPTIM_OPTIM_HPP

#include <optim/optim.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace optim {

class Error : public std::runtime_error {
 public:
  explicit Error(optim_status status)
      : std::runtime_error(std::string(optim_status_name(status)) + ": " + optim_last_error()), status_(status) {}
  optim_status status() const { return status_; }

 private:
  optim_status status_;
};

// Throws what a function of optim.h reports: optim::check(optim_plan_...(plan.get(), ...)).
inline void check(optim_status status) {
  if (status != OPTIM_OK) throw Error(status);
}

// A struct of optim.h, all 0 but its size.
template <class T>
T sized() {
  T value{};
  value.size = sizeof(T);
  return value;
}

// A row-major tensor; data may be null until it is bound.
inline optim_tensor tensor(void* data, std::int32_t dtype, std::initializer_list<std::int64_t> shape) {
  if (shape.size() > OPTIM_MAX_RANK) throw std::invalid_argument("a tensor has at most OPTIM_MAX_RANK dimensions");
  optim_tensor result = sized<optim_tensor>();
  result.data = data;
  result.dtype = dtype;
  for (const std::int64_t size : shape) result.shape[result.rank++] = size;
  return result;
}

// An engine. Buffers and plans share its handle, which is freed with the last of them, in whatever order they go.
class Engine {
 public:
  explicit Engine(std::int32_t device_type = OPTIM_CPU, std::int32_t device_index = 0, void* stream = nullptr) {
    optim_engine_options options = sized<optim_engine_options>();
    options.device_type = device_type;
    options.device_index = device_index;
    options.stream = stream;
    optim_engine* engine = nullptr;
    check(optim_engine_create(&options, &engine));
    handle_.reset(engine, optim_engine_free);
  }
  optim_engine* get() const { return handle_.get(); }
  const std::shared_ptr<optim_engine>& share() const { return handle_; }
  void synchronize() const { check(optim_engine_synchronize(get())); }
  void copy(void* destination, const void* source, std::uint64_t bytes) const {
    check(optim_buffer_copy(get(), destination, source, bytes));
  }
  std::string description() const {
    const char* text = nullptr;
    check(optim_engine_description(get(), &text));
    return text;
  }

 private:
  std::shared_ptr<optim_engine> handle_;
};

// Zero-filled memory of an engine's device.
class Buffer {
 public:
  Buffer(const Engine& engine, std::uint64_t bytes) : handle_(nullptr, Free{engine.share()}) {
    void* data = nullptr;
    check(optim_buffer_alloc(engine.get(), bytes, &data));
    handle_.reset(data);
  }
  void* data() const { return handle_.get(); }

 private:
  struct Free {
    std::shared_ptr<optim_engine> engine;
    void operator()(void* data) const { optim_buffer_free(engine.get(), data); }
  };
  std::unique_ptr<void, Free> handle_;
};

// A plan whose states it owns, with their initial values; parameters and gradients are the caller's. One pointer for
// each tensor of the options; a null gradient: none.
class Plan {
 public:
  Plan(const Engine& engine, const optim_plan_options& options, const std::vector<void*>& params,
       const std::vector<void*>& grads)
      : handle_(nullptr, Free{engine.share()}) {
    const auto tensors = static_cast<std::size_t>(options.tensor_count);
    if (params.size() != tensors || grads.size() != tensors)
      throw std::invalid_argument("one pointer for each tensor is needed");
    optim_plan* plan = nullptr;
    check(optim_plan_create(engine.get(), &options, &plan));
    handle_.reset(plan);
    std::vector<void*> pointers;
    for (std::int64_t i = 0; i < options.tensor_count; ++i) {
      std::int64_t count = 0;
      check(optim_plan_slot_count(plan, i, &count));
      for (std::int64_t k = 0; k < count; ++k) {
        optim_slot slot = sized<optim_slot>();
        check(optim_plan_slot(plan, i, k, &slot));
        states_.emplace_back(engine, slot.bytes);
        pointers.push_back(states_.back().data());
      }
    }
    check(optim_plan_bind(plan, params.data(), grads.data(), pointers.data()));
    check(optim_plan_init_states(plan));
  }
  optim_plan* get() const { return handle_.get(); }
  const std::vector<Buffer>& states() const { return states_; }  // the slots of tensor 0, then of tensor 1, ...
  void step(const optim_step* options = nullptr) const { check(optim_plan_step(get(), options)); }
  void set_learning_rate(std::int64_t group, double lr) const { check(optim_plan_set_hypers(get(), group, &lr, 1)); }

 private:
  struct Free {
    std::shared_ptr<optim_engine> engine;  // outlives the plan
    void operator()(optim_plan* plan) const { optim_plan_free(plan); }
  };
  std::vector<Buffer> states_;
  std::unique_ptr<optim_plan, Free> handle_;
};

}  // namespace optim

#endif
