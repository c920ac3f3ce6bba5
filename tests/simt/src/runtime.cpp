#include "runtime.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "simt/control.h"

namespace simt {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

const char* setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value && *value ? value : otherwise;
}

int number(const char* name, int otherwise, int least, int most) {
  const char* const value = setting(name, nullptr);
  if (!value) return otherwise;
  char* end = nullptr;
  const long parsed = std::strtol(value, &end, 10);
  if (*end || parsed < least || parsed > most)
    throw std::invalid_argument(std::string(name) + " is '" + value + "'; allowed: " + std::to_string(least) + " to " +
                                std::to_string(most));
  return static_cast<int>(parsed);
}

template <class Read>
auto locked(Read read) {
  runtime& r = the_runtime();
  const std::lock_guard<std::recursive_mutex> hold(r.mutex);
  return read(r);
}

}  // namespace

runtime::runtime()
    : sequence(setting("OPTIM_SIMT_ORDER", "forward")),
      multiprocessors(number("OPTIM_SIMT_SMS", 4, 1, 1024)),
      devices(number("OPTIM_SIMT_DEVICES", 1, 0, 1)) {}

runtime& the_runtime() {
  static runtime& instance = *new runtime;  // never destroyed: calls may come while the process ends
  return instance;
}

cudaError_t note(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

std::uint64_t launch_count() {
  return locked([](runtime& r) { return r.launches; });
}
std::uint64_t copy_count() {
  return locked([](runtime& r) { return r.copies; });
}
std::uint64_t allocation_count() {
  return locked([](runtime& r) { return r.allocations; });
}
std::uint64_t synchronization_count() {
  return locked([](runtime& r) { return r.synchronizations; });
}
void fail_next_allocation(int n) {
  locked([n](runtime& r) { return r.allocations_until_failure = n; });
}
void set_order(const char* text) {
  locked([text](runtime& r) { return r.sequence = order(text), 0; });
}
void set_device_count(int count) {
  if (count < 0 || count > 1)
    throw std::invalid_argument("device count is " + std::to_string(count) + "; allowed: 0, 1");
  locked([count](runtime& r) { return r.devices = count; });
}
void set_multiprocessor_count(int count) {
  if (count < 1)
    throw std::invalid_argument("multiprocessor count is " + std::to_string(count) + "; allowed: 1 or more");
  locked([count](runtime& r) { return r.multiprocessors = count; });
}
void reset_error() {
  locked([](runtime& r) { return r.sticky = cudaSuccess; });
  last_error = cudaSuccess;
}

}  // namespace simt

using simt::runtime;
using simt::the_runtime;

cudaError_t cudaPeekAtLastError() {
  runtime& r = the_runtime();
  const std::lock_guard<std::recursive_mutex> hold(r.mutex);
  return r.sticky != cudaSuccess ? r.sticky : simt::last_error;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  simt::last_error = cudaSuccess;
  return error;
}

namespace {

struct error_text {
  cudaError_t error;
  const char *name, *text;
};

#define SIMT_ERROR(name, text) \
  { name, #name, text }
constexpr error_text error_texts[] = {
    SIMT_ERROR(cudaSuccess, "no error"),
    SIMT_ERROR(cudaErrorInvalidValue, "invalid argument"),
    SIMT_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    SIMT_ERROR(cudaErrorInitializationError, "initialization error"),
    SIMT_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    SIMT_ERROR(cudaErrorInvalidDevicePointer, "invalid device pointer"),
    SIMT_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    SIMT_ERROR(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    SIMT_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    SIMT_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    SIMT_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    SIMT_ERROR(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device"),
    SIMT_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    SIMT_ERROR(cudaErrorNotReady, "device not ready"),
    SIMT_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    SIMT_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    SIMT_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    SIMT_ERROR(cudaErrorNotPermitted, "operation not permitted"),
    SIMT_ERROR(cudaErrorNotSupported, "operation not supported"),
    SIMT_ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    SIMT_ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    SIMT_ERROR(cudaErrorStreamCaptureMerge, "operation would result in a merge of separate capture sequences"),
    SIMT_ERROR(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began"),
    SIMT_ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    SIMT_ERROR(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream"),
    SIMT_ERROR(cudaErrorStreamCaptureImplicit,
               "operation would make the legacy stream depend on a capturing blocking stream"),
    SIMT_ERROR(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream"),
    SIMT_ERROR(cudaErrorStreamCaptureWrongThread,
               "attempt to terminate a thread-local capture sequence from another thread"),
    SIMT_ERROR(cudaErrorUnknown, "unknown error"),
};
#undef SIMT_ERROR

const error_text* find(cudaError_t error) {
  for (const error_text& e : error_texts)
    if (e.error == error) return &e;
  return nullptr;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  const error_text* const found = find(error);
  return found ? found->name : "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  const error_text* const found = find(error);
  return found ? found->text : "unrecognized error code";
}
