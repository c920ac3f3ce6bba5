// Widening and narrowing of 16-bit storage, by bit arithmetic that compilers vectorize and that gives the same bits on every
// engine: round to nearest even, f16 keeps subnormals and overflows to infinity. A NaN stays NaN with the bits of its payload that fit,
// so that what was widened narrows to the bits that it had.
#pragma once

#include "core/bits.h"

namespace optim {

OPTIM_FN float widen_bf16(std::uint16_t stored) { return bit_cast<float>(static_cast<std::uint32_t>(stored) << 16); }

OPTIM_FN std::uint16_t narrow_bf16(float value) {
  const std::uint32_t bits = bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  const std::uint32_t nan = (bits & 0x007f0000u) != 0 ? bits : bits | 0x00400000u;
  return static_cast<std::uint16_t>(((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded) >> 16);
}

// f16: a multiplication by 2^112 moves the exponent's bias and normalizes subnormals exactly.
OPTIM_FN float widen_f16(std::uint16_t stored) {
  const std::uint32_t magnitude = (stored & 0x7fffu) << 13;
  const std::uint32_t sign = (stored & 0x8000u) << 16;
  const std::uint32_t special = magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : 0u;  // infinity, NaN
  const std::uint32_t finite = bit_cast<std::uint32_t>(bit_cast<float>(magnitude) * 0x1p112f);
  return bit_cast<float>(sign | (special != 0 ? special : finite));
}

OPTIM_FN std::uint16_t narrow_f16(float value) {
  const std::uint32_t bits = bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  // Normal results: move the bias by integer arithmetic, round to nearest even on 13 bits.
  const std::uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // Below 2^-14: adding 1/2 makes the unit of the last place that of a subnormal, so the addition rounds.
  const std::uint32_t subnormal = bit_cast<std::uint32_t>(bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  std::uint32_t result = magnitude < 0x38800000u ? subnormal : normal;
  result = magnitude >= 0x477ff000u ? 0x7c00u : result;  // rounds to 2^16 or more
  const std::uint32_t payload = (magnitude >> 13) & 0x3ffu;
  result = magnitude > 0x7f800000u ? 0x7c00u | (payload != 0 ? payload : 0x200u) : result;
  return static_cast<std::uint16_t>(sign | result);
}

}  // namespace optim
