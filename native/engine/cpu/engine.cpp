// The CPU engine: memory of the process, a team of threads.
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "engine/cpu/executor.h"
#include "engine/cpu/roots.h"
#include "engine/cpu/team.h"
#include "engine/cpu/tensor_lists.h"
#include "engine/engine.h"

namespace optim {
namespace {

// Half of the second-level cache of a current core, 1 to 2 MiB, and of the third where that is smaller.
constexpr std::int64_t chip_bytes_of_core = 512 << 10;

class CpuEngine : public Engine {
 public:
  explicit CpuEngine(int threads)
      : Engine(chip_bytes_of_core), threads_(threads > 0 ? threads : cpu::Team::default_threads()) {
    description_ = message("CPU, ", cpu::Kernels::for_this_processor().instruction_set(), " kernels, ", threads_,
                           threads_ == 1 ? " thread" : " threads");
  }

  const std::string& description() const override { return description_; }
  void set_stream(void* stream) override {
    if (stream != nullptr) invalid("stream is not NULL; a CPU engine has no streams");
  }
  void synchronize() override {}

  void* allocate(std::uint64_t bytes) override {
    constexpr std::uint64_t alignment = 256;
    const std::uint64_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* const buffer = rounded < bytes ? nullptr : std::aligned_alloc(alignment, rounded);
    if (buffer == nullptr) throw Error(Status::out_of_memory, message("no memory for a buffer of ", bytes, " bytes"));
    std::memset(buffer, 0, rounded);
    return buffer;
  }
  void release(void* buffer) override { std::free(buffer); }
  void copy(void* destination, const void* source, std::uint64_t bytes) override {
    std::memmove(destination, source, bytes);
  }
  bool owns_address(const void*) const override { return true; }

  void update_loss_scale(LossScale* state, const LossScaleSettings& settings) override {
    optim::update_loss_scale(*state, settings);
  }

  std::unique_ptr<Executor> make_executor(const Plan& plan) override {
    return std::make_unique<cpu::CpuExecutor>(plan, threads_);
  }
  void merge_gradients(const GradientSurgery& surgery) override {
    cpu::merge_gradients(surgery, cpu::Kernels::for_this_processor(), threads_);
  }
  void fill_rademacher(const std::vector<TensorBuffer>& tensors, std::uint64_t seed, std::uint64_t offset) override {
    cpu::fill_rademacher(tensors, seed, offset, threads_);
  }

  void inverse_roots(const std::vector<RootJob>& jobs, const linalg::InverseRoot& options,
                     std::uint64_t* counts) override {
    const cpu::MatrixKernels& kernels = cpu::Kernels::for_this_processor().matrix();
    take_roots(jobs, cpu::eigen_numbers, counts, [&](const RootJob& job, double* room) {
      linalg::QlState state;
      const linalg::EigenWorkspace work = cpu::eigen_workspace(job.n, room, state);
      return kernels.inverse_root[job.in_double](job.n, job.matrix, job.root, options, work);
    });
  }
  void coupled_newton(const std::vector<RootJob>& jobs, const linalg::CoupledNewton& options,
                      std::uint64_t* counts) override {
    const cpu::MatrixKernels& kernels = cpu::Kernels::for_this_processor().matrix();
    take_roots(jobs, cpu::newton_numbers, counts, [&](const RootJob& job, double* room) {
      const linalg::NewtonWorkspace work = cpu::newton_workspace(job.n, room);
      double unasked = 0;
      return kernels.coupled_newton[job.in_double](job.n, job.matrix, job.root,
                                                   job.error != nullptr ? job.error : &unasked, options, work);
    });
  }

 private:
  template <class Take>
  void take_roots(const std::vector<RootJob>& jobs, std::int64_t numbers_of(int), std::uint64_t* counts,
                  const Take& take) {
    std::vector<int> sizes;
    for (const RootJob& job : jobs) sizes.push_back(job.n);
    cpu::RootRooms rooms;
    rooms.reserve(sizes, numbers_of, threads_);
    const RootCounts taken = rooms.run(static_cast<std::int64_t>(jobs.size()), [&](std::int64_t i, double* room) {
      return take(jobs[static_cast<std::size_t>(i)], room);
    });
    if (counts == nullptr) return;
    counts[0] += taken.skipped;
    counts[1] += taken.indefinite;
  }

  int threads_;
  std::string description_;
};

}  // namespace

std::unique_ptr<Engine> make_cpu_engine(int threads) { return std::make_unique<CpuEngine>(threads); }

}  // namespace optim
