// Tiles on threads: each thread takes one contiguous run of tiles, so that its memory is contiguous too.
#pragma once

#include "engine/cpu/step_state.h"
#include "engine/cpu/team.h"

namespace optim::cpu {

constexpr std::int64_t few_elements = 32768;  // for fewer, a parallel region costs more than it gains

template <class Body>
void StepState::for_tiles(const Tiling& tiling, const Body& body) {
  const auto count = static_cast<std::int64_t>(tiling.tiles.size());
  const int most = tiling.elements > few_elements ? threads : 1;
  Team::of_process().run(most, [&](std::int64_t thread, std::int64_t of) {
    Scratch& room = scratch[thread];
    const std::int64_t end = count * (thread + 1) / of;
    for (std::int64_t i = count * thread / of; i < end; ++i) body(tiling.tiles[i], room);
  });
}

template <class Body>
void StepState::for_ranges(const Tiling& tiling, const Body& body) {
  const auto count = static_cast<std::int64_t>(tiling.tiles.size());
  const int most = tiling.elements > few_elements ? threads : 1;
  if (count == 0) return;
  Team::of_process().run(most, [&](std::int64_t thread, std::int64_t of) {
    const auto edge = [&](std::int64_t share) {
      const std::int64_t tile = count * share / of;
      return tile == count ? count : next_run(tiling.tiles.data(), tiling.tensors.data(), tile);
    };
    body(edge(thread), edge(thread + 1), scratch[thread]);
  });
}

template <class Body>
void StepState::for_items(std::int64_t count, bool worthwhile, const Body& body) const {
  Team::of_process().for_each(worthwhile ? threads : 1, count, body);
}

}  // namespace optim::cpu
