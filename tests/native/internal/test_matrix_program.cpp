// The programs of matrix rules, against their definition written out; and the CUDA engine's against the CPU engine's,
// bit by bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <string>

#include "core/registry.h"
#include "engine/cpu/matrix_program.h"
#include "engine/engine.h"
#include "linalg/inverse_root.h"
#include "numbers.h"
#ifdef OPTIM_SIMT
#include "engine/cuda/matrix_program.h"
#include "simt/control.h"
#endif

namespace optim_test {
namespace {

using optim::MatrixOperation;
using Kind = MatrixOperation::Kind;
using Shape = std::vector<int64_t>;

const std::vector<Shape> kShapes = {{}, {7}, {5, 3}, {4, 3, 5}, {4, 3, 3, 3}, {17, 33}, {1}, {40, 9}, {0, 3}, {3, 70}};
constexpr size_t kAbsent = 2;  // a tensor without gradient

// A plan of one rule, its matrices random symmetric positive definite ones, and what the pass before the program
// leaves.
template <class T>
class Case {
 public:
  explicit Case(int rule) : engine_(optim::make_cpu_engine(1)) {
    const optim::RuleInfo& info = optim::registry()[static_cast<size_t>(rule)];
    const optim::DType dtype = sizeof(T) == 8 ? optim::DType::f64 : optim::DType::f32;
    optim::PlanDescription description{};
    description.rule = rule;
    optim::HyperRow row{};
    for (size_t i = 0; i < info.hypers.size(); ++i) row[i] = info.hypers[i].default_value;
    description.hypers = {row};
    for (const Shape& shape : kShapes) {
      description.params.push_back(optim::row_major(dtype, static_cast<int>(shape.size()), shape.data()));
      description.grad_dtypes.push_back(dtype);
      description.state_dtypes.push_back(dtype);
      description.groups.push_back(0);
      description.param_data.push_back(nullptr);
    }
    plan = std::make_unique<optim::Plan>(*engine_, std::move(description));
    std::vector<void*> params, grads, states;
    for (size_t i = 0; i < kShapes.size(); ++i) {
      const optim::PlanTensor& tensor = plan->tensors()[i];
      const auto count = static_cast<size_t>(tensor.param.extent.count);
      params.push_back(memory(count));
      grads.push_back(i == kAbsent ? nullptr : memory(count));
      for (const optim::Slot& slot : tensor.slots) {
        states.push_back(memory(static_cast<size_t>(slot.layout.extent.count)));
        if (info.slots[static_cast<size_t>(slot.rule_slot)].shape == optim::SlotShape::matrix) {
          fill_matrix(static_cast<T*>(states.back()), slot.layout.shape[0], i);
        }
      }
      gradient.push_back(random(100 + i, count));
      direction.push_back(random(200 + i, count));
    }
    plan->bind(params.data(), grads.data(), states.data());
  }

  static std::vector<T> random(uint64_t seed, size_t count) {
    const Values values = random_values(seed, static_cast<int64_t>(count));
    return std::vector<T>(values.begin(), values.end());
  }

  // Contents of all matrices, in order.
  std::vector<std::vector<T>> matrices() const {
    std::vector<std::vector<T>> result;
    for (const auto& buffer : buffers_) result.push_back(buffer);
    return result;
  }
  void restore(const std::vector<std::vector<T>>& contents) {
    for (size_t i = 0; i < contents.size(); ++i) std::copy(contents[i].begin(), contents[i].end(), buffers_[i].begin());
  }

  std::unique_ptr<optim::Plan> plan;
  std::vector<std::vector<T>> gradient, direction;  // by tensor

  void run_on_cpu(optim::cpu::CpuMatrixProgram& program, unsigned due) {
    std::vector<T> all_gradients, all_directions;
    for (size_t i = 0; i < kShapes.size(); ++i) {
      all_gradients.insert(all_gradients.end(), gradient[i].begin(), gradient[i].end());
      all_directions.insert(all_directions.end(), direction[i].begin(), direction[i].end());
    }
    const std::vector<unsigned> stages(kShapes.size(), due);
    program.run(all_gradients.data(), all_directions.data(), stages.data());
    auto next = all_directions.begin();
    for (std::vector<T>& values : direction) {
      std::copy_n(next, values.size(), values.begin());
      next += static_cast<std::ptrdiff_t>(values.size());
    }
  }

 private:
  void* memory(size_t count) {
    buffers_.emplace_back(std::max<size_t>(count, 1));
    return buffers_.back().data();
  }

  static void fill_matrix(T* matrix, int64_t n, uint64_t seed) {
    const std::vector<T> values = random(seed, static_cast<size_t>(n * n));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        matrix[i * n + j] = matrix[j * n + i] =
            values[static_cast<size_t>(i * n + j)] / 4 + (i == j ? static_cast<T>(n) : 0);
      }
    }
  }

  std::unique_ptr<optim::Engine> engine_;
  std::vector<std::vector<T>> buffers_;  // their numbers stay where they are
};

// The definition of every operation, element by element.
class Reference {
 public:
  Reference(const Shape& shape, Values gradient, Values direction)
      : shape_(shape.empty() ? Shape{1} : shape), gradient_(std::move(gradient)), direction_(std::move(direction)) {}

  const Values& direction() const { return direction_; }

  Values add_gram(const Values& slot, const MatrixOperation& operation) const {
    Values result = slot;
    for (double& x : result) x *= operation.keep;
    const auto j = static_cast<size_t>(operation.dimension);
    const int64_t n = shape_[j];
    for_elements([&](const Shape& index, size_t at) {
      for (int64_t b = 0; b < n; ++b) {
        result[static_cast<size_t>(index[j] * n + b)] += operation.add * gradient_[at] * gradient_[moved(index, j, b)];
      }
    });
    return result;
  }

  void contract(const Values& slot, const MatrixOperation& operation) {
    Values result(direction_.size());
    const auto j = static_cast<size_t>(operation.dimension);
    const int64_t n = shape_[j];
    for_elements([&](const Shape& index, size_t at) {
      for (int64_t b = 0; b < n; ++b) {
        result[at] += slot[static_cast<size_t>(index[j] * n + b)] * direction_[moved(index, j, b)];
      }
    });
    direction_ = result;
  }

 private:
  size_t offset(const Shape& index) const {
    int64_t at = 0;
    for (size_t i = 0; i < shape_.size(); ++i) at = at * shape_[i] + index[i];
    return static_cast<size_t>(at);
  }
  size_t moved(Shape index, size_t j, int64_t b) const {
    index[j] = b;
    return offset(index);
  }
  template <class Body>
  void for_elements(const Body& body) const {
    Shape index(shape_.size(), 0);
    for (size_t at = 0; at < direction_.size(); ++at) {
      body(index, offset(index));
      for (size_t i = shape_.size(); i-- > 0 && ++index[i] == shape_[i];) index[i] = 0;
    }
  }

  Shape shape_;
  Values gradient_, direction_;
};

template <class T>
Values widened(const T* data, size_t count) {
  return Values(data, data + count);
}

// The CPU engine's program, its tensors one after the other.
template <class T>
struct OnCpu : optim::cpu::CpuMatrixProgram {
  explicit OnCpu(const Case<T>& of, int threads = 2)
      : CpuMatrixProgram(*of.plan, optim::cpu::Kernels::for_this_processor().matrix(), threads) {
    std::vector<int64_t> begin = {0};
    for (const auto& values : of.gradient) begin.push_back(begin.back() + static_cast<int64_t>(values.size()));
    rebind(begin);
  }
};

class MatrixProgram : public testing::TestWithParam<int> {
 protected:
  static constexpr unsigned all_stages = ~0u;

  // Runs one tensor's program by its definition, replacing what the matrices hold, and compares with what the engine
  // made of it.
  template <class T>
  void compare_with_definition() {
    Case<T> made(GetParam());
    Case<T> expected(GetParam());
    OnCpu program(made);
    made.run_on_cpu(program, all_stages);
    EXPECT_EQ(program.root_counts().skipped, 0u);
    const double unit = sizeof(T) == 8 ? 1e-13 : 2e-6;
    for (size_t i = 0; i < kShapes.size(); ++i) {
      const optim::PlanTensor& tensor = expected.plan->tensors()[i];
      if (!tensor.present()) continue;
      Reference reference(kShapes[i], widened(expected.gradient[i].data(), expected.gradient[i].size()),
                          widened(expected.direction[i].data(), expected.direction[i].size()));
      std::vector<MatrixOperation> operations;
      made.plan->rule().program(made.plan->hypers()[0].data(), tensor.view, operations);
      for (const MatrixOperation& operation : operations) {
        const auto matrix = [&](const Case<T>& of, int slot) {
          const optim::Slot& found = *of.plan->tensors()[i].find(slot, operation.dimension);
          return widened(static_cast<const T*>(found.data), static_cast<size_t>(found.layout.extent.count));
        };
        // Roots have tests of their own: here they are what the engine made.
        Values result = matrix(made, operation.slot);
        if (operation.kind == Kind::add_gram) {
          result = reference.add_gram(matrix(expected, operation.slot), operation);
          EXPECT_LE(distance(matrix(made, operation.slot), result), unit * norm(result))
              << "Gram matrix of tensor " << i;
        }
        if (operation.kind == Kind::inverse_root) {
          EXPECT_GT(distance(result, matrix(expected, operation.slot)), 0.0);
        }
        if (operation.kind == Kind::contract) reference.contract(result, operation);
      }
      EXPECT_LE(distance(widened(made.direction[i].data(), made.direction[i].size()), reference.direction()),
                unit * norm(reference.direction()))
          << "direction of tensor " << i;
    }
  }
};

TEST_P(MatrixProgram, FollowsItsDefinitionInFloat) { compare_with_definition<float>(); }
TEST_P(MatrixProgram, FollowsItsDefinitionInDouble) { compare_with_definition<double>(); }

TEST_P(MatrixProgram, ThreadsDoNotChangeTheResult) {
  Case<float> one(GetParam()), many(GetParam());
  OnCpu serial(one, 1), shared(many, 3);
  one.run_on_cpu(serial, all_stages);
  many.run_on_cpu(shared, all_stages);
  EXPECT_EQ(one.direction, many.direction);
  EXPECT_EQ(one.matrices(), many.matrices());
}

TEST_P(MatrixProgram, KeepsRootsThatDoNotExist) {
  Case<float> made(GetParam());
  OnCpu program(made);
  made.run_on_cpu(program, all_stages);
  const auto before = made.matrices();
  for (auto& gradient : made.gradient)
    std::fill(gradient.begin(), gradient.end(), std::numeric_limits<float>::infinity());
  made.run_on_cpu(program, all_stages);
  std::vector<MatrixOperation> operations;
  uint64_t roots = 0;
  size_t buffer = 0;
  for (size_t i = 0; i < kShapes.size(); ++i) {
    const optim::PlanTensor& tensor = made.plan->tensors()[i];
    operations.clear();
    made.plan->rule().program(made.plan->hypers()[0].data(), tensor.view, operations);
    buffer += i == kAbsent ? 1 : 2;  // parameter and gradient
    for (const optim::Slot& slot : tensor.slots) {
      for (const MatrixOperation& operation : operations) {
        if (operation.kind != Kind::inverse_root || operation.slot != slot.rule_slot ||
            operation.dimension != slot.dimension)
          continue;
        EXPECT_EQ(made.matrices()[buffer], before[buffer]) << slot.name << " of tensor " << i;
        roots += tensor.present() ? 1 : 0;
      }
      ++buffer;
    }
  }
  EXPECT_EQ(program.root_counts().skipped, roots);
  EXPECT_GT(roots, 0u);
}

#ifdef OPTIM_SIMT
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

class MatrixProgramOnDevice : public MatrixProgram {
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
        EXPECT_EQ(host.direction[i], device.direction[i]) << "direction of tensor " << i;
      }
      EXPECT_EQ(host.matrices(), device.matrices());
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
#endif

std::vector<int> matrix_rules() {
  std::vector<int> found;
  for (size_t i = 0; i < optim::registry().size(); ++i) {
    if (optim::registry()[i].shape == optim::Shape::matrix) found.push_back(static_cast<int>(i));
  }
  return found;
}

std::string name_of_rule_index(const testing::TestParamInfo<int>& made) {
  return optim::registry()[static_cast<size_t>(made.param)].name;
}

INSTANTIATE_TEST_SUITE_P(Native, MatrixProgram, testing::ValuesIn(matrix_rules()), name_of_rule_index);
#ifdef OPTIM_SIMT
INSTANTIATE_TEST_SUITE_P(Native, MatrixProgramOnDevice, testing::ValuesIn(matrix_rules()), name_of_rule_index);
#endif

}  // namespace
}  // namespace optim_test
