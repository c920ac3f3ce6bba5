// What every function of the C ABI does at the border: catch everything, and check the structs that cross it.
#pragma once

#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/layout.h"
#include "engine/engine.h"
#include "optim/optim.h"

struct optim_engine {
  std::unique_ptr<optim::Engine> engine;
};

struct optim_plan {
  std::unique_ptr<optim::Plan> plan;
};

namespace optim::abi {

void set_last_error(const char* text) noexcept;

template <class Body>
optim_status guarded(const Body& body) noexcept {
  try {
    body();
    return OPTIM_OK;
  } catch (const Error& error) {
    set_last_error(error.what());
    return static_cast<optim_status>(error.status());
  } catch (const std::bad_alloc&) {
    set_last_error("out of host memory");
    return OPTIM_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return OPTIM_INTERNAL;
  } catch (...) {
    set_last_error("unknown exception");
    return OPTIM_INTERNAL;
  }
}

template <class T>
T& require(T* pointer, const char* name) {
  if (pointer == nullptr) invalid(name, " is NULL");
  return *pointer;
}

inline void require_count(std::int64_t count, const char* name) {
  if (count < 0) invalid(name, " is ", count, "; allowed is 0 or more");
}

// A struct from the caller, who may know more members than this library: those must be 0.
template <class T>
T read_struct(const T* from, const std::string& name) {
  if (from == nullptr) invalid(name, " is NULL");
  std::uint64_t size;
  std::memcpy(&size, from, sizeof size);
  constexpr std::uint64_t largest = 65536;
  if (size < sizeof(T) || size > largest) {
    invalid(name, ".size is ", size, "; allowed is ", sizeof(T), " (the size of the struct) to ", largest);
  }
  const auto* const bytes = reinterpret_cast<const unsigned char*>(from);
  for (std::uint64_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) invalid(name, " has a member at byte ", i, " that this version does not know; it must be 0");
  }
  T copy;
  std::memcpy(&copy, from, sizeof copy);
  return copy;
}

// Tensor descriptions of the caller, which may be of a later, larger version: elements are as far apart as their size says.
std::vector<optim_tensor> read_tensors(const optim_tensor* tensors, std::int64_t count, const char* name,
                                       const char* count_name = "count");
Layout layout_of(const optim_tensor& tensor, const std::string& name);

HelperSettings read_helpers(const optim_helpers* helpers);

// Throw unless the value is 0 or 1, or at least `minimum`.
bool flag(const char* name, std::int32_t value);
double at_least(const char* name, double value, double minimum);

}  // namespace optim::abi
