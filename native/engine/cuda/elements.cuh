// A thread's chunk of a stream: loaded and stored 16 bytes at a time where the address allows, element by element
// elsewhere; widened and narrowed by a uniform switch on the storage type.
#pragma once

#include <cuda_runtime.h>

#include "core/codec.h"
#include "engine/cuda/tables.h"

namespace optim::cuda {

// The stored bytes of a chunk in arithmetic T; narrower storage fills the first words.
template <class T>
struct Raw {
  static constexpr int words = chunk * static_cast<int>(sizeof(T)) / 4;
  std::uint32_t word[words];
};

// Where this thread's elements of a tile begin in it.
__device__ __forceinline__ int chunk_begin() { return static_cast<int>(threadIdx.x) * chunk; }

__device__ inline bool is_aligned(const void* address) {
  return (reinterpret_cast<std::uintptr_t>(address) & 15u) == 0;
}

__device__ __forceinline__ char* address_of(const Stream& stream, std::int64_t first) {
  return static_cast<char*>(stream.data) + first * static_cast<std::int64_t>(size_of(stream.dtype));
}

// Elements [first, first + count) of the stream; zeros beyond, and where the stream is absent.
template <class T>
__device__ __forceinline__ void load(Raw<T>& raw, const Stream& stream, std::int64_t first, int count) {
#pragma unroll
  for (int i = 0; i < Raw<T>::words; ++i) raw.word[i] = 0;
  if (stream.data == nullptr || count <= 0) return;
  const char* const address = address_of(stream, first);
  const int width = static_cast<int>(size_of(stream.dtype));
  if (count == chunk && is_aligned(address)) {
#pragma unroll
    for (int i = 0; i < Raw<T>::words / 4; ++i) {
      if (i * 2 < width) {
        const uint4 vector = __ldcg(reinterpret_cast<const uint4*>(address) + i);  // ld.global, kept out of L1
        raw.word[4 * i] = vector.x;
        raw.word[4 * i + 1] = vector.y;
        raw.word[4 * i + 2] = vector.z;
        raw.word[4 * i + 3] = vector.w;
      }
    }
  } else if (sizeof(T) == 8) {
#pragma unroll
    for (int j = 0; j < Raw<T>::words / 2; ++j) {
      if (j < count) {
        const unsigned long long bits = reinterpret_cast<const unsigned long long*>(address)[j];
        raw.word[2 * j] = static_cast<std::uint32_t>(bits);
        raw.word[2 * j + 1] = static_cast<std::uint32_t>(bits >> 32);
      }
    }
  } else if (width == 4) {
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j < count) raw.word[j] = reinterpret_cast<const std::uint32_t*>(address)[j];
    }
  } else {
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j < count) {
        const std::uint32_t half = reinterpret_cast<const std::uint16_t*>(address)[j];
        raw.word[j / 2] |= half << (16 * (j % 2));
      }
    }
  }
}

template <class T>
__device__ __forceinline__ void store(const Raw<T>& raw, const Stream& stream, std::int64_t first, int count) {
  if (stream.data == nullptr || count <= 0) return;
  char* const address = address_of(stream, first);
  const int width = static_cast<int>(size_of(stream.dtype));
  if (count == chunk && is_aligned(address)) {
#pragma unroll
    for (int i = 0; i < Raw<T>::words / 4; ++i) {
      if (i * 2 < width) {
        __stcg(reinterpret_cast<uint4*>(address) + i,
               make_uint4(raw.word[4 * i], raw.word[4 * i + 1], raw.word[4 * i + 2], raw.word[4 * i + 3]));
      }
    }
  } else if (sizeof(T) == 8) {
#pragma unroll
    for (int j = 0; j < Raw<T>::words / 2; ++j) {
      if (j < count) {
        reinterpret_cast<unsigned long long*>(address)[j] =
            raw.word[2 * j] | static_cast<unsigned long long>(raw.word[2 * j + 1]) << 32;
      }
    }
  } else if (width == 4) {
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j < count) reinterpret_cast<std::uint32_t*>(address)[j] = raw.word[j];
    }
  } else {
#pragma unroll
    for (int j = 0; j < chunk; ++j) {
      if (j < count) {
        reinterpret_cast<std::uint16_t*>(address)[j] = static_cast<std::uint16_t>(raw.word[j / 2] >> (16 * (j % 2)));
      }
    }
  }
}

__device__ __forceinline__ void widen(const Raw<double>& raw, DType, double (&value)[chunk]) {
#pragma unroll
  for (int j = 0; j < chunk; ++j) {
    const unsigned long long bits = raw.word[2 * j] | static_cast<unsigned long long>(raw.word[2 * j + 1]) << 32;
    value[j] = __longlong_as_double(static_cast<long long>(bits));
  }
}

__device__ __forceinline__ void widen(const Raw<float>& raw, DType dtype, float (&value)[chunk]) {
  if (dtype == DType::f32) {
#pragma unroll
    for (int j = 0; j < chunk; ++j) value[j] = bit_cast<float>(raw.word[j]);
  } else if (dtype == DType::bf16) {
#pragma unroll
    for (int j = 0; j < chunk; ++j)
      value[j] = widen_bf16(static_cast<std::uint16_t>(raw.word[j / 2] >> (16 * (j % 2))));
  } else {
#pragma unroll
    for (int j = 0; j < chunk; ++j) value[j] = widen_f16(static_cast<std::uint16_t>(raw.word[j / 2] >> (16 * (j % 2))));
  }
}

__device__ __forceinline__ void narrow(const double (&value)[chunk], DType, Raw<double>& raw) {
#pragma unroll
  for (int j = 0; j < chunk; ++j) {
    const auto bits = static_cast<unsigned long long>(__double_as_longlong(value[j]));
    raw.word[2 * j] = static_cast<std::uint32_t>(bits);
    raw.word[2 * j + 1] = static_cast<std::uint32_t>(bits >> 32);
  }
}

__device__ __forceinline__ void narrow(const float (&value)[chunk], DType dtype, Raw<float>& raw) {
  if (dtype == DType::f32) {
#pragma unroll
    for (int j = 0; j < chunk; ++j) raw.word[j] = bit_cast<std::uint32_t>(value[j]);
    return;
  }
#pragma unroll
  for (int j = 0; j < chunk; j += 2) {
    const bool bf16 = dtype == DType::bf16;
    const std::uint32_t low = bf16 ? narrow_bf16(value[j]) : narrow_f16(value[j]);
    const std::uint32_t high = bf16 ? narrow_bf16(value[j + 1]) : narrow_f16(value[j + 1]);
    raw.word[j / 2] = low | high << 16;
    raw.word[chunk / 2 + j / 2] = 0;
  }
}

template <class T>
__device__ __forceinline__ void store_values(const T (&value)[chunk], const Stream& stream, std::int64_t first,
                                             int count) {
  Raw<T> raw;
  narrow(value, stream.dtype, raw);
  store(raw, stream, first, count);
}

// One number of any storage type.
__device__ inline double load_number(const Stream& stream, std::int64_t index) {
  switch (stream.dtype) {
    case DType::f32:
      return static_cast<double>(static_cast<const float*>(stream.data)[index]);
    case DType::f64:
      return static_cast<const double*>(stream.data)[index];
    case DType::f16:
      return static_cast<double>(widen_f16(static_cast<const std::uint16_t*>(stream.data)[index]));
    case DType::bf16:
      return static_cast<double>(widen_bf16(static_cast<const std::uint16_t*>(stream.data)[index]));
  }
  return 0;
}

__device__ inline void store_number(const Stream& stream, std::int64_t index, double value) {
  switch (stream.dtype) {
    case DType::f32:
      static_cast<float*>(stream.data)[index] = static_cast<float>(value);
      break;
    case DType::f64:
      static_cast<double*>(stream.data)[index] = value;
      break;
    case DType::f16:
      static_cast<std::uint16_t*>(stream.data)[index] = narrow_f16(static_cast<float>(value));
      break;
    case DType::bf16:
      static_cast<std::uint16_t*>(stream.data)[index] = narrow_bf16(static_cast<float>(value));
      break;
  }
}

}  // namespace optim::cuda
