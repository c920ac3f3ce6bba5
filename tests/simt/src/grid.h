// Runs the blocks of a launch one after another, and the threads of a block as fibers.
#pragma once

#include <cstddef>
#include <functional>

#include "order.h"
#include "simt/vectors.h"

namespace simt {

struct launch_shape {
  dim3 grid, block;
  std::size_t shared_bytes;
  const void* kernel;
};

constexpr unsigned int max_block_threads = 1024;
constexpr std::size_t max_static_shared = 48 * 1024;
constexpr std::size_t max_dynamic_shared = 227 * 1024;

// False when the launch was given up; the reason has been written to standard error then. One call at a time.
bool run_grid(const launch_shape& shape, const std::function<void()>& body, order& sequence);

}  // namespace simt
