// Every call of the CUDA runtime goes through here.
#pragma once

#include <cuda_runtime.h>

#include "core/error.h"

namespace optim::cuda {

inline void check(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // an error that is no lasting one must not reach the next call
  throw Error(result == cudaErrorMemoryAllocation ? Status::out_of_memory : Status::device_error,
              message(what, " failed: ", cudaGetErrorName(result), ", ", cudaGetErrorString(result)));
}

// Makes a device the calling thread's current one, and puts the former back.
class DeviceGuard {
 public:
  explicit DeviceGuard(int device) {
    check(cudaGetDevice(&former_), "cudaGetDevice");
    changed_ = former_ != device;
    if (changed_) check(cudaSetDevice(device), "cudaSetDevice");
  }
  ~DeviceGuard() {
    if (changed_) static_cast<void>(cudaSetDevice(former_));
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int former_ = 0;
  bool changed_ = false;
};

}  // namespace optim::cuda
