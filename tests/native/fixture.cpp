#include "fixture.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace optim_test {
namespace {

constexpr size_t kGuardBytes = 64;
constexpr unsigned char kGuard = 0xa5;

// Calls visit(logical index, memory index) for every element in row-major order.
template <class Visit>
void for_each_element(const Shape& shape, const Shape& strides, Visit visit) {
  Shape index(shape.size(), 0);
  const int64_t count = numel(shape);
  for (int64_t logical = 0; logical < count; ++logical) {
    int64_t memory = 0;
    for (size_t d = 0; d < shape.size(); ++d) memory += index[d] * strides[d];
    visit(static_cast<size_t>(logical), static_cast<size_t>(memory));
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) index[d] = 0;
  }
}

}  // namespace

void check(optim_status status) {
  if (status != OPTIM_OK) {
    throw std::runtime_error(std::string(optim_status_name(status)) + ": " + optim_last_error());
  }
}

const std::vector<int32_t>& devices() {
  static const std::vector<int32_t> found = [] {
    std::vector<int32_t> types{OPTIM_CPU};
    int32_t count = 0;
    if (optim_device_count(OPTIM_CUDA, &count) == OPTIM_OK && count > 0) types.push_back(OPTIM_CUDA);
    return types;
  }();
  return found;
}

std::string device_name(int32_t device) { return device == OPTIM_CPU ? "cpu" : "cuda"; }

Engine::Engine(int32_t device, int32_t threads) : device_(device) {
  // One thread is enough: no result depends on their number (test_determinism.cpp), and many tests run side by side.
  auto options = sized<optim_engine_options>();
  options.device_type = device;
  options.threads = device == OPTIM_CPU && threads == 0 ? 1 : threads;
  check(optim_engine_create(&options, &handle_));
}

Buffer::Buffer(Engine& engine, int32_t dtype, int64_t count, int64_t offset)
    : engine_(engine),
      dtype_(dtype),
      count_(count),
      begin_(static_cast<size_t>(offset * element_size(dtype))),
      total_(begin_ + static_cast<size_t>(count * element_size(dtype)) + kGuardBytes),
      memory_(nullptr, Free{engine}) {
  void* memory = nullptr;
  check(optim_buffer_alloc(engine, total_, &memory));
  memory_.reset(memory);
  Bytes image(total_, kGuard);
  std::fill_n(image.begin() + static_cast<std::ptrdiff_t>(begin_), total_ - begin_ - kGuardBytes, 0);
  check(optim_buffer_copy(engine_, memory, image.data(), total_));
}

Buffer::~Buffer() {
  EXPECT_TRUE(guards_intact()) << "memory beside a buffer of " << count_ << " " << dtype_name(dtype_) << " was written";
}

void* Buffer::data() const { return count_ == 0 ? nullptr : static_cast<unsigned char*>(memory_.get()) + begin_; }

void Buffer::write(const Bytes& bytes) {
  if (static_cast<int64_t>(bytes.size()) != count_ * element_size(dtype_)) {
    throw std::invalid_argument("write of " + std::to_string(bytes.size()) + " bytes to " + std::to_string(count_) +
                                " elements of " + dtype_name(dtype_));
  }
  if (count_ > 0) check(optim_buffer_copy(engine_, data(), bytes.data(), bytes.size()));
}

Bytes Buffer::bytes() const {
  Bytes bytes(static_cast<size_t>(count_ * element_size(dtype_)));
  if (count_ > 0) check(optim_buffer_copy(engine_, bytes.data(), data(), bytes.size()));
  return bytes;
}

bool Buffer::guards_intact() const {
  Bytes image(total_);
  if (optim_buffer_copy(engine_, image.data(), memory_.get(), total_) != OPTIM_OK) return false;
  const auto is_guard = [](unsigned char byte) { return byte == kGuard; };
  return std::all_of(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(begin_), is_guard) &&
         std::all_of(image.end() - kGuardBytes, image.end(), is_guard);
}

int64_t numel(const Shape& shape) {
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text;
  for (int64_t n : shape) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "(" + text + ")";
}

optim_tensor tensor_view(const Shape& shape, int32_t dtype, void* data, const Shape& strides) {
  auto tensor = sized<optim_tensor>();
  tensor.data = data;
  tensor.dtype = dtype;
  tensor.rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), tensor.shape);
  tensor.layout = strides.empty() ? OPTIM_ROW_MAJOR : OPTIM_STRIDED;
  std::copy(strides.begin(), strides.end(), tensor.strides);
  return tensor;
}

Shape channels_last(const Shape& shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  if (shape.size() >= 3) {
    strides[1] = stride;
    stride *= shape[1];
  }
  for (size_t d = shape.size(); d-- > 0;) {
    if (d == 1 && shape.size() >= 3) continue;
    strides[d] = stride;
    stride *= shape[d];
  }
  return strides;
}

Values to_memory(const Shape& shape, const Shape& strides, const Values& logical) {
  if (strides.empty()) return logical;
  Values memory(logical.size());
  for_each_element(shape, strides, [&](size_t from, size_t to) { memory[to] = logical[from]; });
  return memory;
}

Values to_logical(const Shape& shape, const Shape& strides, const Values& memory) {
  if (strides.empty()) return memory;
  Values logical(memory.size());
  for_each_element(shape, strides, [&](size_t to, size_t from) { logical[to] = memory[from]; });
  return logical;
}

std::string test_name(std::string text) {
  for (char& c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return text;
}

std::vector<RuleOnDevice> rules_on(int32_t device) {
  std::vector<RuleOnDevice> all;
  if (std::find(devices().begin(), devices().end(), device) == devices().end()) return all;
  for (const Rule& rule : rules()) {
    all.push_back({&rule, device});
  }
  return all;
}

std::vector<RuleOnDevice> rules_on_devices() {
  std::vector<RuleOnDevice> all;
  for (int32_t device : devices()) {
    for (const RuleOnDevice& each : rules_on(device)) all.push_back(each);
  }
  return all;
}

}  // namespace optim_test
