// Programs of matrix rules on tensors of many shapes, and their definition written out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "core/registry.h"
#include "engine/cpu/matrix_program.h"
#include "engine/engine.h"
#include "numbers.h"

namespace optim_test {

using optim::MatrixOperation;
using Kind = MatrixOperation::Kind;
using Shape = std::vector<int64_t>;

const inline std::vector<Shape> kShapes = {{},       {7}, {5, 3},  {4, 3, 5}, {4, 3, 3, 3},
                                           {17, 33}, {1}, {40, 9}, {0, 3},    {3, 70}};
constexpr size_t kAbsent = 2;  // a tensor without gradient

// A rule, and the size of its blocks; 0: as by default.
struct MatrixRule {
  int index;
  int block;
};

inline std::vector<MatrixRule> matrix_rules() {
  std::vector<MatrixRule> found;
  for (size_t i = 0; i < optim::registry().size(); ++i) {
    const optim::RuleInfo& rule = optim::registry()[i];
    if (rule.shape != optim::Shape::matrix) continue;
    found.push_back({static_cast<int>(i), 0});
    if (rule.hyper_index("block_size") < 0) continue;
    for (const int block : {4, 7, 16}) found.push_back({static_cast<int>(i), block});
  }
  return found;
}

inline std::string name_of_matrix_rule(const testing::TestParamInfo<MatrixRule>& made) {
  const std::string name = optim::registry()[static_cast<size_t>(made.param.index)].name;
  return made.param.block > 0 ? name + "_blocks_of_" + std::to_string(made.param.block) : name;
}

// A plan of one rule, its matrices random symmetric positive definite ones, and what the pass before the program
// leaves.
template <class T>
class Case {
 public:
  explicit Case(const MatrixRule& rule) : engine_(optim::make_cpu_engine(1)) {
    const optim::RuleInfo& info = optim::registry()[static_cast<size_t>(rule.index)];
    const optim::DType dtype = sizeof(T) == 8 ? optim::DType::f64 : optim::DType::f32;
    optim::PlanDescription description{};
    description.rule = rule.index;
    optim::HyperRow row{};
    for (size_t i = 0; i < info.hypers.size(); ++i) row[i] = info.hypers[i].default_value;
    if (rule.block > 0) row[static_cast<size_t>(info.hyper_index("block_size"))] = rule.block;
    description.hypers = {row};
    for (const Shape& shape : kShapes) {
      description.tensors.push_back(
          {optim::row_major(dtype, static_cast<int>(shape.size()), shape.data()), dtype, dtype, 0});
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

// The definition of every operation on a block, element by element.
class Reference {
 public:
  Reference(const optim::MatrixView& view, Values gradient, Values direction)
      : view_(view), gradient_(std::move(gradient)), direction_(std::move(direction)) {}

  const Values& direction() const { return direction_; }

  Values add_gram(const Values& slot, const MatrixOperation& operation, int64_t block) const {
    Values result = slot;
    for (double& x : result) x *= operation.keep;
    const auto j = static_cast<size_t>(operation.dimension);
    const optim::MatrixBlock box = view_.block_at(block);
    for_elements(box, [&](const Shape& index, size_t at) {
      for (int64_t b = 0; b < box.size[j]; ++b) {
        result[static_cast<size_t>(index[j] * box.size[j] + b)] +=
            operation.add * gradient_[at] * gradient_[moved(box, index, j, b)];
      }
    });
    return result;
  }

  void contract(const Values& slot, const MatrixOperation& operation, int64_t block) {
    Values result = direction_;
    const auto j = static_cast<size_t>(operation.dimension);
    const optim::MatrixBlock box = view_.block_at(block);
    for_elements(box, [&](const Shape& index, size_t at) {
      result[at] = 0;
      for (int64_t b = 0; b < box.size[j]; ++b) {
        result[at] += slot[static_cast<size_t>(index[j] * box.size[j] + b)] * direction_[moved(box, index, j, b)];
      }
    });
    direction_ = result;
  }

 private:
  // Of an element, by its index within the block.
  size_t offset(const optim::MatrixBlock& box, const Shape& index) const {
    int64_t at = 0;
    for (size_t i = 0; i < index.size(); ++i) at = at * view_.shape[i] + box.begin[i] + index[i];
    return static_cast<size_t>(at);
  }
  size_t moved(const optim::MatrixBlock& box, Shape index, size_t j, int64_t b) const {
    index[j] = b;
    return offset(box, index);
  }
  template <class Body>
  void for_elements(const optim::MatrixBlock& box, const Body& body) const {
    Shape index(static_cast<size_t>(view_.rank), 0);
    int64_t count = 1;
    for (size_t i = 0; i < index.size(); ++i) count *= box.size[i];
    for (int64_t k = 0; k < count; ++k) {
      body(index, offset(box, index));
      for (size_t i = index.size(); i-- > 0 && ++index[i] == box.size[i];) index[i] = 0;
    }
  }

  const optim::MatrixView& view_;
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

constexpr unsigned all_stages = ~0u;

}  // namespace optim_test
