// What a test can ask of the stand-in, and the launch that engine/cuda/launch.h calls. Everything here is safe to call
// from any host thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "simt/api.h"

#pragma GCC visibility push(default)
namespace simt {

// Puts a grid into the stream's queue. `body` is called once by every CUDA thread; `kernel` is the function's address,
// used for cudaFuncSetAttribute and for messages.
cudaError_t launch(dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream, std::function<void()> body,
                   const void* kernel = nullptr);

// Calls the host made since the process started: replaying a graph counts nothing, capturing it counts what it holds.
std::uint64_t launch_count();
std::uint64_t copy_count();             // cudaMemcpy*, cudaMemset*
std::uint64_t allocation_count();       // cudaMalloc, cudaMallocHost
std::uint64_t synchronization_count();  // calls that made the host wait: *Synchronize, cudaMemcpy, cudaFree*
std::size_t live_allocations();         // device and pinned allocations not yet freed

// The n-th allocation from now (1: the next one) fails with cudaErrorMemoryAllocation; 0 takes the order back.
void fail_next_allocation(int n = 1);

// "forward", "reverse" or "shuffle:<seed>": order of blocks, of threads between barriers, and of independent streams.
// Starts as the environment variable OPTIM_SIMT_ORDER says; throws std::invalid_argument for anything else.
void set_order(const char* order);

// Size of the device seen by cudaGetDeviceProperties; starts as OPTIM_SIMT_SMS says, else 4.
void set_multiprocessor_count(int count);

// 0 makes a machine without a GPU, where every call answers cudaErrorNoDevice; 1 brings it back. Starts as
// OPTIM_SIMT_DEVICES says, else 1.
void set_device_count(int count);

// Forgets a sticky launch failure, which on a real device only ends with the process.
void reset_error();

// What a fresh byte of device, pinned or shared memory holds: as float and double a NaN, as integer -1.
constexpr unsigned char garbage = 0xff;

}  // namespace simt
#pragma GCC visibility pop
