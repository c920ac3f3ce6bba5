// The CUDA engine: one device, the caller's stream, memory of the device.
#include <limits>

#include "engine/cuda/executor.h"
#include "engine/cuda/loss_scale.h"
#include "engine/cuda/rademacher.h"
#include "engine/cuda/roots.h"
#include "engine/cuda/surgery.h"

namespace optim {
namespace {

using cuda::check;
using cuda::DeviceGuard;

class CudaEngine : public Engine {
 public:
  CudaEngine(int device, void* stream)
      : Engine(cuda::chip_bytes), device_{device, 0, static_cast<cudaStream_t>(stream)} {
    const DeviceGuard guard(device);
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    device_.multiprocessors = properties.multiProcessorCount;
    description_ = message("CUDA device ", device, ", ", properties.name, ", compute capability ", properties.major,
                           ".", properties.minor, ", ", properties.multiProcessorCount, " multiprocessors");
  }

  const std::string& description() const override { return description_; }

  // What was queued on the former stream is the caller's to wait for.
  void set_stream(void* stream) override { device_.stream = static_cast<cudaStream_t>(stream); }

  void synchronize() override {
    const DeviceGuard guard(device_.index);
    check(cudaStreamSynchronize(device_.stream), "cudaStreamSynchronize");
  }

  void* allocate(std::uint64_t bytes) override {
    const DeviceGuard guard(device_.index);
    if (bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      throw Error(Status::out_of_memory, message("no memory for a buffer of ", bytes, " bytes"));
    }
    cuda::DeviceArray<unsigned char> buffer(static_cast<std::int64_t>(bytes));
    buffer.clear(device_.stream);
    check(cudaStreamSynchronize(device_.stream), "cudaStreamSynchronize");  // the caller may use it on any stream
    return buffer.release();
  }

  void release(void* buffer) override {
    const DeviceGuard guard(device_.index);
    check(cudaFree(buffer), "cudaFree");
  }

  void copy(void* destination, const void* source, std::uint64_t bytes) override {
    const DeviceGuard guard(device_.index);
    check(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDefault, device_.stream), "cudaMemcpyAsync");
    check(cudaStreamSynchronize(device_.stream), "cudaStreamSynchronize");
  }

  bool owns_address(const void* data) const override {
    const DeviceGuard guard(device_.index);
    cudaPointerAttributes attributes{};
    if (cudaPointerGetAttributes(&attributes, data) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      return false;
    }
    if (attributes.type == cudaMemoryTypeDevice) return attributes.device == device_.index;
    return attributes.type != cudaMemoryTypeUnregistered;  // managed and pinned memory can be read by every device
  }

  void update_loss_scale(LossScale* state, const LossScaleSettings& settings) override {
    const DeviceGuard guard(device_.index);
    cuda::update_loss_scale(device_, state, settings);
  }

  std::unique_ptr<Executor> make_executor(const Plan& plan) override {
    const DeviceGuard guard(device_.index);
    return std::make_unique<cuda::CudaExecutor>(plan, device_);
  }

  void merge_gradients(const GradientSurgery& surgery) override {
    const DeviceGuard guard(device_.index);
    surgery_.merge(surgery, device_);
  }

  void fill_rademacher(const std::vector<TensorBuffer>& tensors, std::uint64_t seed, std::uint64_t offset) override {
    const DeviceGuard guard(device_.index);
    rademacher_.fill(tensors, seed, offset, device_);
  }

  void inverse_roots(const std::vector<RootJob>& jobs, const linalg::InverseRoot& options,
                     std::uint64_t* counts) override {
    const DeviceGuard guard(device_.index);
    roots_.set(items_of(jobs, options), device_.multiprocessors, device_.stream);
    roots_.enqueue(device_.stream, nullptr, nullptr, reinterpret_cast<unsigned long long*>(counts));
  }
  void coupled_newton(const std::vector<RootJob>& jobs, const linalg::CoupledNewton& options,
                      std::uint64_t* counts) override {
    const DeviceGuard guard(device_.index);
    newton_roots_.set(items_of(jobs, {}), device_.multiprocessors, device_.stream);
    newton_roots_.enqueue_newton(device_.stream, options, reinterpret_cast<unsigned long long*>(counts));
  }

 private:
  static_assert(sizeof(unsigned long long) == sizeof(std::uint64_t));

  static std::vector<cuda::RootItem> items_of(const std::vector<RootJob>& jobs, const linalg::InverseRoot& options) {
    std::vector<cuda::RootItem> items;
    for (const RootJob& job : jobs) {
      items.push_back({job.matrix, job.root, job.error, 0, options, job.n, 0, -1, true, job.in_double});
    }
    return items;
  }

  cuda::Device device_;
  cuda::Surgery surgery_;
  cuda::Rademacher rademacher_;
  std::string description_;
  cuda::RootBatch roots_, newton_roots_{true};  // of the functions that take roots alone
};

}  // namespace

int cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  static_cast<void>(cudaGetLastError());  // no driver, or no device
  return 0;
}

std::unique_ptr<Engine> make_cuda_engine(int device, void* stream) {
  const int count = cuda_device_count();
  if (count == 0)
    throw Error(Status::unsupported, "device_type is 1 (OPTIM_CUDA), but no CUDA driver or device was found");
  if (device < 0 || device >= count) {
    throw Error(Status::not_found,
                message("device_index is ", device, "; this machine has CUDA devices 0 to ", count - 1));
  }
  return std::make_unique<CudaEngine>(device, stream);
}

}  // namespace optim
