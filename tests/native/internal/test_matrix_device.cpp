// The programs of matrix rules on the CUDA engine, against the CPU engine's: bit by bit, but for the roots of large
// matrices in float, which a device iterates, and what is made of them.
#ifdef OPTIM_SIMT
#include "engine/cuda/check.h"
#include "engine/cuda/matrix_program.h"
#include "matrix_case.h"

namespace optim_test {
namespace {

template <class T>
class OnDevice {
 public:
  explicit OnDevice(Case<T>& of)
      : case_(of), program_(*of.plan, nullptr), begin_(optim::cuda::workspace_begin(*of.plan)), due_(kShapes.size()) {}

  void run(unsigned due, int32_t skip = 0) {
    std::vector<T> gradient(static_cast<size_t>(begin_.back())), direction(gradient.size());
    for (size_t i = 0; i < kShapes.size(); ++i) {
      std::copy(case_.gradient[i].begin(), case_.gradient[i].end(), gradient.begin() + begin_[i]);
      std::copy(case_.direction[i].begin(), case_.direction[i].end(), direction.begin() + begin_[i]);
    }
    std::fill(due_.begin(), due_.end(), due);
    program_.enqueue(nullptr, gradient.data(), direction.data(), due_.data(), &skip);
    optim::cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    for (size_t i = 0; i < kShapes.size(); ++i) {
      std::copy_n(direction.begin() + begin_[i], case_.direction[i].size(), case_.direction[i].begin());
    }
  }
  optim::RootCounts root_counts() const { return program_.root_counts(nullptr); }

 private:
  Case<T>& case_;
  optim::cuda::CudaMatrixProgram program_;
  std::vector<int64_t> begin_;
  std::vector<unsigned> due_;
};

class MatrixProgramOnDevice : public testing::TestWithParam<MatrixRule> {
 protected:
  template <class T>
  void compare_engines() {
    Case<T> host(GetParam()), device(GetParam());
    OnCpu on_host(host);
    OnDevice<T> on_device(device);
    for (const unsigned due : {all_stages, 0u, all_stages}) {
      host.run_on_cpu(on_host, due);
      on_device.run(due);
      for (size_t i = 0; i < kShapes.size(); ++i) {
        const bool large =
            std::any_of(kShapes[i].begin(), kShapes[i].end(), [](int64_t n) { return n > largest_alike; });
        compare(host.direction[i], device.direction[i], large, "direction of tensor", i);
      }
      const auto on_cpu = host.matrices(), on_gpu = device.matrices();
      ASSERT_EQ(on_cpu.size(), on_gpu.size());
      for (size_t i = 0; i < on_cpu.size(); ++i) {
        compare(on_cpu[i], on_gpu[i], on_cpu[i].size() > size_t{largest_alike} * largest_alike, "matrix", i);
      }
    }
  }

 private:
  static constexpr int largest_alike = 64;  // rows of a matrix whose root has the same bits

  template <class T>
  static void compare(const std::vector<T>& host, const std::vector<T>& device, bool large, const char* what,
                      size_t i) {
    if (large && sizeof(T) == sizeof(float)) {
      const Values expected(host.begin(), host.end()), actual(device.begin(), device.end());
      EXPECT_LE(distance(actual, expected), 1e-7 * norm(expected)) << what << ' ' << i;
    } else {
      EXPECT_EQ(host, device) << what << ' ' << i;
    }
  }
};

TEST_P(MatrixProgramOnDevice, EqualsTheCpuInFloat) { compare_engines<float>(); }
TEST_P(MatrixProgramOnDevice, EqualsTheCpuInDouble) { compare_engines<double>(); }

TEST_P(MatrixProgramOnDevice, ASkippedStepChangesNothing) {
  Case<float> made(GetParam());
  const auto matrices = made.matrices();
  const auto direction = made.direction;
  OnDevice<float>(made).run(all_stages, 1);
  EXPECT_EQ(made.matrices(), matrices);
  EXPECT_EQ(made.direction, direction);
}

TEST_P(MatrixProgramOnDevice, CountsRootsThatDoNotExist) {
  Case<float> host(GetParam()), device(GetParam());
  for (Case<float>* made : {&host, &device}) {
    for (auto& gradient : made->gradient)
      std::fill(gradient.begin(), gradient.end(), std::numeric_limits<float>::infinity());
  }
  OnCpu on_host(host);
  OnDevice<float> on_device(device);
  host.run_on_cpu(on_host, all_stages);
  on_device.run(all_stages);
  EXPECT_GT(on_host.root_counts().skipped, 0u);
  EXPECT_EQ(on_device.root_counts().skipped, on_host.root_counts().skipped);
}

INSTANTIATE_TEST_SUITE_P(Native, MatrixProgramOnDevice, testing::ValuesIn(matrix_rules()), name_of_matrix_rule);

}  // namespace
}  // namespace optim_test
#endif
