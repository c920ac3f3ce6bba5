// Random probes.
#include "abi/written.h"

using namespace optim;
using namespace optim::abi;

optim_status optim_rademacher(optim_engine* engine, int64_t count, const optim_tensor* tensors, uint64_t seed,
                              uint64_t offset) {
  return guarded([&] {
    Engine& e = *require(engine, "engine").engine;
    const Written written = read_written(e, tensors, count, "tensors", "count");
    const WrittenRanges ranges(written.buffers, "tensors");
    e.fill_rademacher(written.buffers, seed, offset);
  });
}
