// What the host calls share: one lock, the errors, the settings of control.h, and what memory and queues offer each
// other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <new>

#include "order.h"
#include "simt/api.h"

namespace simt {

struct runtime {
  // Held through every call, and through all work a call runs: the device does one thing at a time.
  std::recursive_mutex mutex;
  cudaError_t sticky = cudaSuccess;
  bool executing = false;  // calls out of a kernel or a host function see this set
  order sequence;
  int multiprocessors, devices;
  std::uint64_t launches = 0, copies = 0, allocations = 0, synchronizations = 0;
  int allocations_until_failure = 0;

  runtime();
};

runtime& the_runtime();

// Keeps `error` for cudaGetLastError.
cudaError_t note(cudaError_t error);

// Every call of the interface: serialised, refused after a launch failure, its error kept.
template <class Call>
cudaError_t guarded(Call call) {
  runtime& r = the_runtime();
  const std::lock_guard<std::recursive_mutex> hold(r.mutex);
  if (r.executing) return note(cudaErrorNotPermitted);
  if (r.devices == 0) return note(cudaErrorNoDevice);
  if (r.sticky != cudaSuccess) return note(r.sticky);
  try {
    const cudaError_t error = call();
    return note(r.sticky != cudaSuccess ? r.sticky : error);
  } catch (const std::bad_alloc&) {
    return note(cudaErrorMemoryAllocation);
  }
}

using work = std::function<void()>;

// Puts work into the stream's queue, or into the graph that the stream is recording.
cudaError_t submit(cudaStream_t stream, work what);
void finish(cudaStream_t null_or_stream);
void finish_everything();
// A call that may not be made while a stream is captured; such a capture is lost.
cudaError_t unless_capturing();

// The device's memory may be touched only while the device works; the address sanitizer sees to it.
void open_device_memory(bool open);

}  // namespace simt
