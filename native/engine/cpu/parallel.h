// Tiles on threads: each thread takes one contiguous run of tiles, so that its memory is contiguous too.
#pragma once

#include <omp.h>

#include "engine/cpu/step_state.h"

namespace optim::cpu {

constexpr std::int64_t few_elements = 32768;  // for fewer, a parallel region costs more than it gains

template <class Body>
void StepState::for_tiles(const Tiling& tiling, const Body& body) {
  const auto count = static_cast<std::int64_t>(tiling.tiles.size());
  const bool worthwhile = threads > 1 && tiling.elements > few_elements;
#pragma omp parallel num_threads(threads) if (worthwhile)
  {
    Scratch& room = scratch[omp_get_thread_num()];
#pragma omp for schedule(static)
    for (std::int64_t i = 0; i < count; ++i) body(tiling.tiles[i], room);
  }
}

template <class Body>
void StepState::for_ranges(const Tiling& tiling, const Body& body) {
  const auto count = static_cast<std::int64_t>(tiling.tiles.size());
  const bool worthwhile = threads > 1 && tiling.elements > few_elements;
  if (count == 0) return;
#pragma omp parallel num_threads(threads) if (worthwhile)
  {
    const auto edge = [&](std::int64_t thread) {
      const std::int64_t tile = count * thread / omp_get_num_threads();
      return tile == count ? count : next_run(tiling.tiles.data(), tiling.tensors.data(), tile);
    };
    const std::int64_t thread = omp_get_thread_num();
    body(edge(thread), edge(thread + 1), scratch[thread]);
  }
}

}  // namespace optim::cpu
