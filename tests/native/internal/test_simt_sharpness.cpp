// The plans of sharpness-aware minimization under the stand-in runtime: launches, waits, the device's size.
#ifdef OPTIM_SIMT
#include <gtest/gtest.h>

#include "sharpness.h"
#include "simt/control.h"

namespace optim_test {
namespace {

class SimtSharpness : public testing::Test {
 protected:
  void SetUp() override {
    simt::set_order("forward");
    simt::set_multiprocessor_count(4);
  }

  static PlanSpec spec(int copies = 1) {
    PlanSpec spec{"sgd", {}};
    for (int i = 0; i < copies; ++i) {
      const std::vector<TensorSpec> shapes{{{7}}, {{3, 4999}}, {{}}, {{0, 3}}, {{9001}}};
      spec.tensors.insert(spec.tensors.end(), shapes.begin(), shapes.end());
    }
    return spec;
  }
  static const std::vector<std::vector<double>>& rows() {
    static const std::vector<std::vector<double>> asam{{2, 1, 1e-12, 1, 0.01}};
    return asam;
  }
};

TEST_F(SimtSharpness, ResultsDoNotDependOnTheDevice) {
  const auto run = [] {
    Engine engine(OPTIM_CUDA);
    Session session(engine, spec());
    session.random_params();
    session.random_grads(2);
    Sharpness sharpness(engine, session, rows());
    sharpness.perturb();
    return session.snapshot();
  };
  const Snapshot expected = run();
  for (int count : {1, 3, 16}) {
    simt::set_multiprocessor_count(count);
    EXPECT_TRUE(equal(expected, run())) << count << " multiprocessors";
  }
  simt::set_multiprocessor_count(4);
  for (const char* order : {"reverse", "shuffle:1"}) {
    simt::set_order(order);
    EXPECT_TRUE(equal(expected, run())) << order;
  }
}

TEST_F(SimtSharpness, StepsOnlyLaunchAndNoMoreForMoreTensors) {
  std::uint64_t launches[2];
  for (int many : {0, 1}) {
    Engine engine(OPTIM_CUDA);
    Session session(engine, spec(many != 0 ? 6 : 1));
    session.random_params();
    session.random_grads(2);
    Sharpness sharpness(engine, session, rows());
    sharpness.perturb();
    sharpness.restore();
    const std::uint64_t before = simt::launch_count(), copies = simt::copy_count(),
                        allocations = simt::allocation_count(), waits = simt::synchronization_count();
    sharpness.perturb();
    sharpness.restore();
    launches[many] = simt::launch_count() - before;
    EXPECT_EQ(simt::copy_count(), copies);
    EXPECT_EQ(simt::allocation_count(), allocations);
    EXPECT_EQ(simt::synchronization_count(), waits);
  }
  EXPECT_GT(launches[0], 0u);
  EXPECT_EQ(launches[0], launches[1]);
}

}  // namespace
}  // namespace optim_test
#endif
