// The programs of matrix rules on the CPU engine, against their definition.
#include "matrix_case.h"

namespace optim_test {
namespace {

class MatrixProgram : public testing::TestWithParam<MatrixRule> {
 protected:
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
      Reference reference(tensor.view, widened(expected.gradient[i].data(), expected.gradient[i].size()),
                          widened(expected.direction[i].data(), expected.direction[i].size()));
      std::vector<MatrixOperation> operations;
      made.plan->rule().program(made.plan->hypers()[0].data(), tensor.view, operations);
      for (int64_t block = 0; block < tensor.view.blocks(); ++block) {
        for (const MatrixOperation& operation : operations) {
          const auto matrix = [&](const Case<T>& of, int slot) {
            const optim::Slot& found = *of.plan->tensors()[i].find(slot, operation.dimension, block);
            return widened(static_cast<const T*>(found.data), static_cast<size_t>(found.layout.extent.count));
          };
          // Roots have tests of their own: here they are what the engine made.
          Values result = matrix(made, operation.slot);
          if (operation.kind == Kind::add_gram) {
            result = reference.add_gram(matrix(expected, operation.slot), operation, block);
            EXPECT_LE(distance(matrix(made, operation.slot), result), unit * norm(result))
                << "Gram matrix of tensor " << i;
          }
          if (operation.kind == Kind::inverse_root) {
            EXPECT_GT(distance(result, matrix(expected, operation.slot)), 0.0);
          }
          if (operation.kind == Kind::contract) reference.contract(result, operation, block);
        }
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

INSTANTIATE_TEST_SUITE_P(Native, MatrixProgram, testing::ValuesIn(matrix_rules()), name_of_matrix_rule);

}  // namespace
}  // namespace optim_test
