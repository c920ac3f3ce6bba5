// Owners of what the C ABI hands out, and the devices that tests run on.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "numbers.h"
#include "optim/optim.h"
#include "schema.h"

namespace optim_test {

// Throws std::runtime_error with the library's message unless status is OPTIM_OK.
void check(optim_status status);

// Device types that this library and machine offer: OPTIM_CPU, and OPTIM_CUDA where a device is found (a GPU, or the
// stand-in runtime of tests/simt).
const std::vector<int32_t>& devices();
std::string device_name(int32_t device);

template <class T>
T sized() {
  T value{};
  value.size = sizeof value;
  return value;
}

class Engine {
 public:
  explicit Engine(int32_t device = OPTIM_CPU, int32_t threads = 0);
  ~Engine() { optim_engine_free(handle_); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  operator optim_engine*() const { return handle_; }  // NOLINT(google-explicit-constructor): stands for the handle
  int32_t device() const { return device_; }

 private:
  optim_engine* handle_ = nullptr;
  int32_t device_;
};

// Device memory for `count` elements between two guards; the data begins `offset` elements after a 256-byte boundary.
class Buffer {
 public:
  Buffer(Engine& engine, int32_t dtype, int64_t count, int64_t offset = 0);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const;  // NULL for 0 elements
  int32_t dtype() const { return dtype_; }
  int64_t count() const { return count_; }
  void write(const Bytes& bytes);
  void write(const Values& values) { write(encode(dtype_, values)); }
  Bytes bytes() const;
  Values values() const { return decode(dtype_, bytes()); }
  bool guards_intact() const;

 private:
  Engine& engine_;
  int32_t dtype_;
  int64_t count_;
  size_t begin_;  // bytes before the data
  size_t total_;
  struct Free {
    optim_engine* engine;
    void operator()(void* memory) const { optim_buffer_free(engine, memory); }
  };
  std::unique_ptr<void, Free> memory_;
};

using Shape = std::vector<int64_t>;
int64_t numel(const Shape& shape);
std::string to_string(const Shape& shape);

// A view; empty strides = row-major.
optim_tensor tensor_view(const Shape& shape, int32_t dtype, void* data, const Shape& strides = {});

// Strides with dimension 0 outermost and dimension 1 innermost (channels-last); row-major below rank 3.
Shape channels_last(const Shape& shape);

// values[logical index] placed where the strides put it, and back.
Values to_memory(const Shape& shape, const Shape& strides, const Values& logical);
Values to_logical(const Shape& shape, const Shape& strides, const Values& memory);

// For tests that run once per device, or per rule and device.
std::string test_name(std::string text);  // only letters, digits and _

struct RuleOnDevice {
  const Rule* rule;
  int32_t device;
};
std::vector<RuleOnDevice> rules_on(int32_t device);  // none if there is no such device
std::vector<RuleOnDevice> rules_on_devices();
// Shown by GoogleTest for a failing parameter.
inline std::ostream& operator<<(std::ostream& out, const RuleOnDevice& p) {
  return out << p.rule->name << " on " << device_name(p.device);
}

class PerDevice : public testing::TestWithParam<int32_t> {};
class PerRule : public testing::TestWithParam<RuleOnDevice> {
 protected:
  const Rule& rule() const { return *GetParam().rule; }
  int32_t device() const { return GetParam().device; }
};

inline std::string name_of_device(const testing::TestParamInfo<int32_t>& info) { return device_name(info.param); }
inline std::string name_of_rule(const testing::TestParamInfo<RuleOnDevice>& info) {
  return test_name(info.param.rule->name + "_" + device_name(info.param.device));
}

#define OPTIM_TEST_PER_DEVICE(fixture) \
  INSTANTIATE_TEST_SUITE_P(Native, fixture, testing::ValuesIn(devices()), name_of_device)
#define OPTIM_TEST_PER_RULE(fixture) \
  INSTANTIATE_TEST_SUITE_P(Native, fixture, testing::ValuesIn(rules_on_devices()), name_of_rule)

}  // namespace optim_test
