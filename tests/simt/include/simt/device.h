// What device code may call: built-in variables, barriers, votes, shuffles, atomics and bit functions.
#pragma once

#include <math.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "simt/vectors.h"

#pragma GCC visibility push(default)

// One CUDA thread runs at a time in the whole process, so plain variables hold its coordinates.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace simt {

// Where a kernel called a collective, for messages and to see that a block meets at one and the same barrier.
struct place {
  const char* file;
  int line;
  static constexpr place here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

struct votes {
  unsigned int yes, asked;
};

votes sync_block(bool vote, place at);
unsigned int sync_warp(unsigned int mask, bool vote, const char* operation, place at);  // ballot of the lanes in mask
// Every lane of the mask posts its value and receives the one of lane `source`.
void shuffle(unsigned int mask, const void* posted, void* received, std::size_t bytes, int source,
             const char* operation, place at);
unsigned int live_lanes();
int lane();
[[noreturn]] void trap(const char* reason, place at);

void* dynamic_shared();
void* static_shared(const void* site, std::size_t bytes, std::size_t alignment, place at);
template <class T>
T& shared(const void* site, place at = place::here()) {
  static_assert(std::is_trivially_destructible_v<T>, "shared memory holds plain data");
  return *static_cast<T*>(static_shared(site, sizeof(T), alignof(T), at));
}

template <class To, class From>
To bits_as(From value) {
  static_assert(sizeof(To) == sizeof(From) && std::is_trivially_copyable_v<To> && std::is_trivially_copyable_v<From>);
  To result;
  std::memcpy(&result, &value, sizeof result);
  return result;
}

// A device carries 4 or 8 bytes at a time. Structs go at once here (engine/cuda/reduce.cuh), since every exchange costs
// a switch of stacks for each lane.
template <class T>
T shuffle_as(unsigned int mask, const T& value, int source, const char* operation, place at) {
  static_assert(std::is_trivially_copyable_v<T>);
  static_assert(std::is_class_v<T> || (std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8)),
                "shuffles carry 4 or 8 bytes");
  T received;
  shuffle(mask, &value, &received, sizeof value, source, operation, at);
  return received;
}

}  // namespace simt
#pragma GCC visibility pop

inline void __syncthreads(simt::place at = simt::place::here()) { simt::sync_block(false, at); }
inline int __syncthreads_or(int p, simt::place at = simt::place::here()) {
  return simt::sync_block(p != 0, at).yes != 0;
}
inline int __syncthreads_count(int p, simt::place at = simt::place::here()) {
  return static_cast<int>(simt::sync_block(p != 0, at).yes);
}
inline int __syncthreads_and(int p, simt::place at = simt::place::here()) {
  const simt::votes v = simt::sync_block(p != 0, at);
  return v.yes == v.asked;
}

inline void __syncwarp(unsigned int mask = 0xffffffffu, simt::place at = simt::place::here()) {
  simt::sync_warp(mask, false, "__syncwarp", at);
}
inline unsigned int __ballot_sync(unsigned int mask, int p, simt::place at = simt::place::here()) {
  return simt::sync_warp(mask, p != 0, "__ballot_sync", at);
}
inline int __any_sync(unsigned int mask, int p, simt::place at = simt::place::here()) {
  return simt::sync_warp(mask, p != 0, "__any_sync", at) != 0;
}
inline int __all_sync(unsigned int mask, int p, simt::place at = simt::place::here()) {
  return simt::sync_warp(mask, p == 0, "__all_sync", at) == 0;
}
// Lanes that have not exited; the real one may name fewer, so nothing may rely on it for correctness.
inline unsigned int __activemask() { return simt::live_lanes(); }

// The source lanes are those of the PTX instruction shfl.sync: segments of `width` lanes, out of range keeps one's own
// value.
template <class T>
T __shfl_sync(unsigned int mask, T value, int source, int width = warpSize, simt::place at = simt::place::here()) {
  const int first = simt::lane() & ~(width - 1);
  return simt::shuffle_as(mask, value, first + (source & (width - 1)), "__shfl_sync", at);
}
template <class T>
T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = warpSize,
                 simt::place at = simt::place::here()) {
  const int lane = simt::lane(), source = lane - static_cast<int>(delta);
  return simt::shuffle_as(mask, value, source < (lane & ~(width - 1)) ? lane : source, "__shfl_up_sync", at);
}
template <class T>
T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = warpSize,
                   simt::place at = simt::place::here()) {
  const int lane = simt::lane(), source = lane + static_cast<int>(delta);
  return simt::shuffle_as(mask, value, source > (lane | (width - 1)) ? lane : source, "__shfl_down_sync", at);
}
template <class T>
T __shfl_xor_sync(unsigned int mask, T value, int lane_mask, int width = warpSize,
                  simt::place at = simt::place::here()) {
  const int lane = simt::lane(), source = lane ^ lane_mask;
  return simt::shuffle_as(mask, value, source > (lane | (width - 1)) ? lane : source, "__shfl_xor_sync", at);
}

// No CUDA thread is interrupted between two collectives, so these need no atomic instruction. Floating-point atomics
// are missing on purpose: their result depends on the order, and the project's results may not.
template <class T, class U>
T atomicAdd(T* address, U value) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned int> || std::is_same_v<T, unsigned long long>,
                "atomicAdd takes int, unsigned int or unsigned long long");
  const T old = *address;
  *address = static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) + static_cast<std::make_unsigned_t<T>>(value));
  return old;
}
template <class T, class U>
T atomicSub(T* address, U value) {
  static_assert(sizeof(T) == 4, "atomicSub takes int or unsigned int");
  return atomicAdd(address, std::make_unsigned_t<T>(0) - static_cast<std::make_unsigned_t<T>>(value));
}

#define SIMT_ATOMIC(name, ...)                                                                                       \
  template <class T, class U>                                                                                        \
  T name(T* address, U operand) {                                                                                    \
    static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), #name " takes 4 or 8 byte integers"); \
    const T old = *address, value = static_cast<T>(operand);                                                         \
    *address = (__VA_ARGS__);                                                                                        \
    return old;                                                                                                      \
  }
SIMT_ATOMIC(atomicMax, value > old ? value : old)
SIMT_ATOMIC(atomicMin, value < old ? value : old)
SIMT_ATOMIC(atomicAnd, old& value)
SIMT_ATOMIC(atomicOr, old | value)
SIMT_ATOMIC(atomicXor, old ^ value)
#undef SIMT_ATOMIC
inline unsigned int atomicInc(unsigned int* address, unsigned int limit) {
  const unsigned int old = *address;
  *address = old >= limit ? 0 : old + 1;
  return old;
}
template <class T, class U>
T atomicExch(T* address, U value) {
  const T old = *address;
  *address = static_cast<T>(value);
  return old;
}
template <class T, class U, class V>
T atomicCAS(T* address, U expected, V desired) {
  const T old = *address;
  if (old == static_cast<T>(expected)) *address = static_cast<T>(desired);
  return old;
}

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
[[noreturn]] inline void __trap(simt::place at = simt::place::here()) { simt::trap("__trap", at); }

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldca(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
T __ldcv(const T* p) {
  return *p;
}
template <class T>
T __ldlu(const T* p) {
  return *p;
}
template <class T>
void __stcg(T* p, T v) {
  *p = v;
}
template <class T>
void __stcs(T* p, T v) {
  *p = v;
}
template <class T>
void __stwb(T* p, T v) {
  *p = v;
}
template <class T>
void __stwt(T* p, T v) {
  *p = v;
}

inline int __popc(unsigned int x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned int>(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline int __mulhi(int a, int b) { return static_cast<int>((static_cast<long long>(a) * b) >> 32); }
inline unsigned int __umulhi(unsigned int a, unsigned int b) {
  return static_cast<unsigned int>((static_cast<unsigned long long>(a) * b) >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using wide = unsigned __int128;
  return static_cast<unsigned long long>((static_cast<wide>(a) * b) >> 64);
}

inline unsigned int __float_as_uint(float x) { return simt::bits_as<unsigned int>(x); }
inline int __float_as_int(float x) { return simt::bits_as<int>(x); }
inline float __uint_as_float(unsigned int x) { return simt::bits_as<float>(x); }
inline float __int_as_float(int x) { return simt::bits_as<float>(x); }
inline long long __double_as_longlong(double x) { return simt::bits_as<long long>(x); }
inline double __longlong_as_double(long long x) { return simt::bits_as<double>(x); }

// Correctly rounded operations that the compiler may not contract; the host build says -ffp-contract=off.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __drcp_rn(double a) { return 1.0 / a; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline float __double2float_rn(double a) { return static_cast<float>(a); }

// The global min and max of CUDA: integers after the usual promotions, fmin and fmax (which drop a NaN) for floating
// point.
#define SIMT_MIN_MAX(T)                               \
  constexpr T min(T a, T b) { return b < a ? b : a; } \
  constexpr T max(T a, T b) { return a < b ? b : a; }
SIMT_MIN_MAX(int)
SIMT_MIN_MAX(unsigned int)
SIMT_MIN_MAX(long)
SIMT_MIN_MAX(unsigned long)
SIMT_MIN_MAX(long long)
SIMT_MIN_MAX(unsigned long long)
#undef SIMT_MIN_MAX
constexpr unsigned int min(int a, unsigned int b) { return min(static_cast<unsigned int>(a), b); }
constexpr unsigned int min(unsigned int a, int b) { return min(a, static_cast<unsigned int>(b)); }
constexpr unsigned int max(int a, unsigned int b) { return max(static_cast<unsigned int>(a), b); }
constexpr unsigned int max(unsigned int a, int b) { return max(a, static_cast<unsigned int>(b)); }
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }
inline double min(float a, double b) { return std::fmin(static_cast<double>(a), b); }
inline double min(double a, float b) { return std::fmin(a, static_cast<double>(b)); }
inline double max(float a, double b) { return std::fmax(static_cast<double>(a), b); }
inline double max(double a, float b) { return std::fmax(a, static_cast<double>(b)); }
