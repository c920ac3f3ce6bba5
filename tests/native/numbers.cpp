#include "numbers.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "optim/optim.h"

namespace optim_test {
namespace {

struct Format {
  const char* name;
  int64_t bytes;
  int precision;     // bits of the significand, the hidden one included
  int min_exponent;  // of the smallest normal number 2^min_exponent
  double max;
};

const Format& format(int32_t dtype) {
  static const Format formats[] = {{"f32", 4, 24, -126, std::numeric_limits<float>::max()},
                                   {"f64", 8, 53, -1022, std::numeric_limits<double>::max()},
                                   {"f16", 2, 11, -14, 65504.0},
                                   {"bf16", 2, 8, -126, 3.3895313892515355e38}};
  if (dtype < OPTIM_F32 || dtype > OPTIM_BF16) throw std::invalid_argument("no dtype " + std::to_string(dtype));
  return formats[dtype - OPTIM_F32];
}

uint16_t half_bits(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7e00);
  if (std::isinf(value)) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x1p-14) return static_cast<uint16_t>(sign + static_cast<int>(magnitude * 0x1p24));
  int exponent = 0;
  const double fraction = std::frexp(magnitude, &exponent);  // in [1/2, 1)
  return static_cast<uint16_t>(sign + ((exponent + 14) << 10) + static_cast<int>(std::ldexp(fraction, 11)) - 1024);
}

double half_value(uint16_t bits) {
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  if (exponent == 31) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

template <class T>
void put(Bytes& bytes, size_t index, T value) {
  std::memcpy(bytes.data() + index * sizeof value, &value, sizeof value);
}

template <class T>
T get(const Bytes& bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

}  // namespace

int64_t element_size(int32_t dtype) { return format(dtype).bytes; }
const char* dtype_name(int32_t dtype) { return format(dtype).name; }
double roundoff(int32_t dtype) { return std::ldexp(1.0, -format(dtype).precision); }

double round_to(int32_t dtype, double value) {
  if (dtype == OPTIM_F64 || value == 0 || !std::isfinite(value)) return value;
  const Format& f = format(dtype);
  int exponent = 0;
  std::frexp(value, &exponent);
  const int quantum = std::max(exponent, f.min_exponent + 1) - f.precision;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -quantum)), quantum);
  return std::fabs(rounded) > f.max ? std::copysign(std::numeric_limits<double>::infinity(), value) : rounded;
}

Values round_to(int32_t dtype, Values values) {
  for (double& value : values) value = round_to(dtype, value);
  return values;
}

Bytes encode(int32_t dtype, const Values& values) {
  Bytes bytes(values.size() * static_cast<size_t>(element_size(dtype)));
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = round_to(dtype, values[i]);
    if (dtype == OPTIM_F64) {
      put(bytes, i, value);
    } else if (dtype == OPTIM_F16) {
      put(bytes, i, half_bits(value));
    } else if (dtype == OPTIM_F32) {
      put(bytes, i, static_cast<float>(value));
    } else {
      const float wide = static_cast<float>(value);
      uint32_t bits = 0;
      std::memcpy(&bits, &wide, sizeof bits);
      put(bytes, i, static_cast<uint16_t>(bits >> 16));
    }
  }
  return bytes;
}

Values decode(int32_t dtype, const Bytes& bytes) {
  Values values(bytes.size() / static_cast<size_t>(element_size(dtype)));
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == OPTIM_F64) {
      values[i] = get<double>(bytes, i);
    } else if (dtype == OPTIM_F16) {
      values[i] = half_value(get<uint16_t>(bytes, i));
    } else if (dtype == OPTIM_F32) {
      values[i] = get<float>(bytes, i);
    } else {
      const uint32_t bits = static_cast<uint32_t>(get<uint16_t>(bytes, i)) << 16;
      float wide = 0;
      std::memcpy(&wide, &bits, sizeof wide);
      values[i] = wide;
    }
  }
  return values;
}

Values random_values(uint64_t seed, int64_t count, double low, double high) {
  Values values(static_cast<size_t>(count));
  uint64_t state = seed;
  for (double& value : values) {
    // splitmix64 (Steele, Lea, Flood 2014)
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    const double uniform = static_cast<double>(z >> 11) * 0x1p-53;
    value = ((z & 1) != 0 ? -1.0 : 1.0) * (low + (high - low) * uniform);
  }
  return values;
}

double norm(const Values& values) {
  double sum = 0;
  for (double value : values) sum += value * value;
  return std::sqrt(sum);
}

double distance(const Values& a, const Values& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  Values difference(a.size());
  for (size_t i = 0; i < a.size(); ++i) difference[i] = a[i] == b[i] ? 0 : a[i] - b[i];
  const double result = norm(difference);
  return std::isfinite(result) ? result : std::numeric_limits<double>::infinity();
}

}  // namespace optim_test
