// What every function of the C ABI does at the border: catch everything, and check the structs that cross it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/float_mode.h"
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
  const FloatMode mode;
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

// The size of a struct in the first header that had it. Some have got members since, which a caller compiled then does not have.
template <class T>
inline constexpr std::uint64_t first_size = sizeof(T);
template <>
inline constexpr std::uint64_t first_size<optim_plan_options> = offsetof(optim_plan_options, master_weights);
template <>
inline constexpr std::uint64_t first_size<optim_step> = offsetof(optim_step, overflow);

// The size that a struct of the caller says it has. Throws unless a header could have had it.
template <class T>
std::uint64_t size_of_struct(const T* from, const Name& name) {
  if (from == nullptr) invalid(name, " is NULL");
  std::uint64_t size;
  std::memcpy(&size, from, sizeof size);
  constexpr std::uint64_t largest = 65536;
  if (size < first_size<T> || size > largest || size % alignof(T) != 0) {
    invalid(name, ".size is ", size, "; allowed are multiples of ", alignof(T), " from ", first_size<T>, " to ",
            largest, ", and the size of the struct is ", sizeof(T));
  }
  return size;
}

// A struct from the caller. Members that the caller does not know are 0; those that this library does not know must be.
template <class T>
T read_struct(const T* from, const Name& name) {
  const std::uint64_t size = size_of_struct(from, name);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(from);
  for (std::uint64_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) invalid(name, " has a member at byte ", i, " that this version does not know; it must be 0");
  }
  T copy{};
  std::memcpy(&copy, from, std::min<std::uint64_t>(size, sizeof copy));
  return copy;
}

// A struct for the caller: as much of it as the caller knows, and 0 for what this library does not know. The size stays the caller's.
template <class T>
void write_struct(T value, T* to, const Name& name) {
  const std::uint64_t size = value.size = size_of_struct(to, name);
  std::memset(to, 0, size);
  std::memcpy(to, &value, std::min<std::uint64_t>(size, sizeof value));
}

// Tensor descriptions of the caller, which may be of a later, larger version: elements are as far apart as their size says.
std::vector<optim_tensor> read_tensors(const optim_tensor* tensors, std::int64_t count, const char* name,
                                       const char* count_name = "count");
Layout layout_of(const optim_tensor& tensor, const Name& name);

HelperSettings read_helpers(const optim_helpers* helpers);

// Throw unless the value is 0 or 1, or at least `minimum`.
bool flag(const char* name, std::int32_t value);
double at_least(const char* name, double value, double minimum);

}  // namespace optim::abi
