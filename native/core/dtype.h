// Storage types.
#pragma once

#include <cstddef>
#include <cstdint>

namespace optim {

enum class DType : std::int32_t { f32, f64, f16, bf16 };

// OPTIM_F32, ...: 1 and up, so that 0, which a struct of zeros holds, is none of them.
constexpr std::int32_t code_of(DType type) { return static_cast<std::int32_t>(type) + 1; }

constexpr std::size_t size_of(DType type) { return type == DType::f64 ? 8 : type == DType::f32 ? 4 : 2; }
constexpr const char* name_of(DType type) {
  return type == DType::f64 ? "F64" : type == DType::f32 ? "F32" : type == DType::f16 ? "F16" : "BF16";
}

}  // namespace optim
