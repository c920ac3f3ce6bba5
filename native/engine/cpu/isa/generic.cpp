// The loops that belong to no rule, compiled once per instruction set.
#include <cmath>
#include <cstring>

#include "core/codec.h"
#include "core/gradient.h"
#include "engine/cpu/kernels.h"
#include "engine/cpu/lanes.h"
#include "engine/cpu/streams.h"
#include "helpers/lookahead.h"

namespace optim::cpu {
namespace {

// Tiles to come are asked for meanwhile: while one is worked on in its widened form, memory would lie idle.
template <class Widen>
void widen_all(const void* stored, float* wide, std::int64_t count, const Widen& widen) {
  const auto* source = static_cast<const std::uint16_t*>(stored);
  constexpr std::int64_t line = 32, block = 4 * line;
  std::int64_t begin = 0;
  for (; begin + block <= count; begin += block) {
    for (std::int64_t i = begin; i < begin + block; i += line) __builtin_prefetch(source + 2 * tile_widened + i, 1, 2);
    OPTIM_INDEPENDENT
    for (std::int64_t i = begin; i < begin + block; ++i) wide[i] = widen(source[i]);
  }
  OPTIM_INDEPENDENT
  for (std::int64_t i = begin; i < count; ++i) wide[i] = widen(source[i]);
}

void widen_f16_all(const void* stored, float* wide, std::int64_t count) {
  widen_all(stored, wide, count, [](std::uint16_t x) { return widen_f16(x); });
}
void widen_bf16_all(const void* stored, float* wide, std::int64_t count) {
  widen_all(stored, wide, count, [](std::uint16_t x) { return widen_bf16(x); });
}

void narrow_f16_all(const float* wide, void* stored, std::int64_t count) {
  auto* target = static_cast<std::uint16_t*>(stored);
  OPTIM_INDEPENDENT
  for (std::int64_t i = 0; i < count; ++i) target[i] = narrow_f16(wide[i]);
}

void narrow_bf16_all(const float* wide, void* stored, std::int64_t count) {
  auto* target = static_cast<std::uint16_t*>(stored);
  OPTIM_INDEPENDENT
  for (std::int64_t i = 0; i < count; ++i) target[i] = narrow_bf16(wide[i]);
}

// The draws of a few hundred elements at a time, in memory order: words are little-endian.
void round_bf16_all(const float* wide, std::uint16_t* stored, std::int64_t first, std::int64_t count,
                    const RoundingDraws& draws) {
  constexpr int per_block = RoundingDraws::per_block, blocks = 32;
  std::uint32_t words[blocks * per_block / 2];
  std::uint16_t draw[blocks * per_block];
  for (std::int64_t done = 0; done < count;) {
    const auto block = static_cast<std::uint64_t>((first + done) / per_block);
    const int skipped = static_cast<int>((first + done) % per_block);
    const int room = blocks * per_block - skipped;
    const int part = room < count - done ? room : static_cast<int>(count - done);
    const int needed = (skipped + part + per_block - 1) / per_block;
    for (int k = 0; k < needed; ++k) {
      const RandomBlock random = draws.block(block + static_cast<std::uint64_t>(k));
      for (int w = 0; w < per_block / 2; ++w) words[k * per_block / 2 + w] = random.word[w];
    }
    std::memcpy(draw, words, static_cast<std::size_t>(needed) * sizeof(RandomBlock));
    OPTIM_INDEPENDENT
    for (int i = 0; i < part; ++i) stored[done + i] = round_bf16(wide[done + i], draw[skipped + i]);
    done += part;
  }
}

// Sums of differences from the first element: a constant row has exactly that mean and no spread. Their squares cancel
// little against the squared mean, because that element is one of those summed: its distance from the mean is at most
// the root of m2.
template <class T, MeasuredParams Params>
Moments moments(const void* grads, const void* params, std::int64_t count, double unscale, double clip) {
  const T* const grad = static_cast<const T*>(grads);
  const T* const param = static_cast<const T*>(params);
  GradientMap<T> map{};
  map.unscale = T(unscale);
  map.clip = T(clip);

  const double first = count > 0 ? static_cast<double>(map.clipped(grad[0])) : 0;
  enum { sum, sum_sq, abs_sum, param_sq, param_sum, cross, count_of_sums };
  Lanes<count_of_sums> lanes;
  T largest[lane_count] = {}, nonfinite[lane_count] = {};
  const auto add = [&](std::int64_t i, int lane) __attribute__((always_inline)) {
    const T clipped = map.clipped(grad[i]);
    const T magnitude = std::fabs(clipped);
    largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
    // Counted before clipping. Infinity minus itself is NaN, which no comparison holds for.
    const T raw = map.unscale * grad[i];
    nonfinite[lane] += raw - raw == 0 ? T(0) : T(1);
    const double g = static_cast<double>(clipped);
    const double difference = g - first;
    lanes.value[sum][lane] += difference;
    lanes.value[sum_sq][lane] += difference * difference;
    lanes.value[abs_sum][lane] += std::fabs(g);
    if constexpr (Params != MeasuredParams::none) {
      const double p = static_cast<double>(param[i]);
      lanes.value[param_sq][lane] += p * p;
      if constexpr (Params == MeasuredParams::products) {
        lanes.value[param_sum][lane] += p;
        lanes.value[cross][lane] += g * p;
      }
    }
  };
  for_lanes(
      count, add, [&](std::int64_t i) __attribute__((always_inline)) {
        __builtin_prefetch(grad + i + read_ahead);
        if constexpr (Params != MeasuredParams::none) __builtin_prefetch(param + i + read_ahead);
      });
  double sums[count_of_sums] = {};
  lanes.add_to(sums);

  Moments m{};
  m.count = static_cast<double>(count);
  const double difference = count > 0 ? sums[sum] / m.count : 0;
  const double m2 = sums[sum_sq] - sums[sum] * difference;
  m.mean = first + difference;
  m.m2 = m2 < 0 ? 0 : m2;
  m.abs_sum = sums[abs_sum];
  for (int lane = 0; lane < lane_count; ++lane) {
    m.abs_max = largest[lane] > m.abs_max ? largest[lane] : m.abs_max;
    m.nonfinite += nonfinite[lane];
  }
  m.param_sum = sums[param_sum];
  m.param_sq = sums[param_sq];
  m.cross = sums[cross];
  return m;
}

template <class T>
void lookahead(const LookaheadPiece& piece) {
  const LookaheadBlend<T> blend{T(piece.alpha), piece.pullback};
  T* const param = static_cast<T*>(piece.param);
  T* const slow = static_cast<T*>(piece.slow);
  T* const momentum = static_cast<T*>(piece.momentum);
  T* const slow_momentum = static_cast<T*>(piece.slow_momentum);
  for (std::int64_t i = 0; i < piece.count; ++i) {
    T m = momentum != nullptr ? momentum[i] : T(0);
    T slow_m = slow_momentum != nullptr ? slow_momentum[i] : T(0);
    blend.apply(param[i], slow[i], m, slow_m);
    if (momentum != nullptr) momentum[i] = m;
    if (slow_momentum != nullptr) slow_momentum[i] = slow_m;
  }
}

template <class T>
double dot(const void* a, const void* b, std::int64_t count) {
  const T* const x = static_cast<const T*>(a);
  const T* const y = static_cast<const T*>(b);
  Lanes<1> lanes;
  for_lanes(
      count, [&](std::int64_t i, int lane) __attribute__((always_inline)) {
        lanes.value[0][lane] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
      });
  double sum = 0;
  lanes.add_to(&sum);
  return sum;
}

template <class T>
void add_scaled(void* sum, const void* x, double factor, std::int64_t count) {
  T* const total = static_cast<T*>(sum);
  const T* const term = static_cast<const T*>(x);
  const T weight = static_cast<T>(factor);
  OPTIM_INDEPENDENT
  for (std::int64_t i = 0; i < count; ++i) total[i] = total[i] + weight * term[i];
}

}  // namespace

#define OPTIM_CPU_PASTE(ISA) generic_kernels_##ISA
#define OPTIM_CPU_TABLE(ISA) OPTIM_CPU_PASTE(ISA)
extern const GenericKernels OPTIM_CPU_TABLE(OPTIM_ISA);
const GenericKernels OPTIM_CPU_TABLE(OPTIM_ISA) = {
    {nullptr, nullptr, &widen_f16_all, &widen_bf16_all},
    {nullptr, nullptr, &narrow_f16_all, &narrow_bf16_all},
    &round_bf16_all,
    {{&moments<float, MeasuredParams::none>, &moments<double, MeasuredParams::none>},
     {&moments<float, MeasuredParams::squares>, &moments<double, MeasuredParams::squares>},
     {&moments<float, MeasuredParams::products>, &moments<double, MeasuredParams::products>}},
    {&lookahead<float>, &lookahead<double>},
    {&dot<float>, &dot<double>},
    {&add_scaled<float>, &add_scaled<double>},
};

}  // namespace optim::cpu
