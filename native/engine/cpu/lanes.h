// Sums over the elements of a piece in a fixed order that vectorizes: element i goes to lane i mod 16 of a double
// accumulator, and the lanes are added pairwise at the end. Every instruction set and thread count gets the same bits.
#pragma once

#include <cstdint>

#include "core/config.h"

namespace optim::cpu {

constexpr int lane_count = 16;

// How far ahead a loop that only reads asks for its elements: the processor's own prefetching does not use the whole
// bandwidth of the memory.
constexpr std::int64_t read_ahead = 64 * lane_count;

template <int Sums>
struct Lanes {
  double value[Sums > 0 ? Sums : 1][lane_count] = {};

  OPTIM_FN void add_to(double* sums) {
    for (int k = 0; k < Sums; ++k) {
      for (int width = lane_count / 2; width > 0; width /= 2) {
        for (int lane = 0; lane < width; ++lane) value[k][lane] += value[k][lane + width];
      }
      sums[k] += value[k][0];
    }
  }
};

// body(element, lane) for all elements; ahead(element) once before each full set of lanes.
template <class Body, class Ahead>
OPTIM_FN void for_lanes(std::int64_t count, const Body& body, const Ahead& ahead) {
  std::int64_t i = 0;
  for (; i + lane_count <= count; i += lane_count) {
    ahead(i);
    OPTIM_INDEPENDENT
    for (int lane = 0; lane < lane_count; ++lane) body(i + lane, lane);
  }
  for (int lane = 0; i + lane < count; ++lane) body(i + lane, lane);
}

template <class Body>
OPTIM_FN void for_lanes(std::int64_t count, const Body& body) {
  for_lanes(count, body, [](std::int64_t) {});
}

}  // namespace optim::cpu
