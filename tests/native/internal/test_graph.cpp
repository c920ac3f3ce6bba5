// A step captured in a CUDA graph goes on as eager steps do: with the step counter, new gradients, a changed learning
// rate and skipped steps live. On the stand-in of tests/simt a graph is a recorded queue.
#ifdef OPTIM_WITH_CUDA
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>

#include "helper_settings.h"
#include "session.h"

namespace optim_test {
namespace {

// Owns a stream and what was captured from it.
class Graph {
 public:
  Graph() { succeed(cudaStreamCreate(&stream_)); }
  ~Graph() {
    if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
    if (graph_ != nullptr) cudaGraphDestroy(graph_);
    cudaStreamDestroy(stream_);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  cudaStream_t stream() const { return stream_; }
  template <class Work>
  void capture(const Work& work) {
    succeed(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
    work();
    succeed(cudaStreamEndCapture(stream_, &graph_));
    succeed(cudaGraphInstantiateWithFlags(&executable_, graph_, 0));
  }
  void replay() { succeed(cudaGraphLaunch(executable_, stream_)); }

 private:
  static void succeed(cudaError_t error) { ASSERT_EQ(error, cudaSuccess); }

  cudaStream_t stream_ = nullptr;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

class StepGraph : public PerRule {
 protected:
  void replays_equal_eager_steps(const PlanSpec& spec) {
    Engine eager_engine(OPTIM_CUDA), captured_engine(OPTIM_CUDA);
    Graph graph;
    check(optim_engine_set_stream(captured_engine, graph.stream()));
    Session eager(eager_engine, spec), captured(captured_engine, spec);
    Buffer found_eager(eager_engine, OPTIM_F32, 1), found_captured(captured_engine, OPTIM_F32, 1);
    auto eager_options = sized<optim_step>(), captured_options = eager_options;
    eager_options.found_inf = static_cast<const float*>(found_eager.data());
    captured_options.found_inf = static_cast<const float*>(found_captured.data());
    for (Session* session : {&eager, &captured}) {
      session->start();
      session->train(1, 1);
    }
    graph.capture([&] { captured.step(&captured_options); });
    EXPECT_TRUE(equal(eager.snapshot(), captured.snapshot())) << "capturing made a step";
    for (uint64_t s = 2; s <= 6; ++s) {
      if (s == 4) {
        const std::vector<double> row = with(rule(), spec.hypers[0], "lr", 0.3);
        for (Session* session : {&eager, &captured}) {
          check(optim_plan_set_hypers(session->plan(), 0, row.data(), static_cast<int64_t>(row.size())));
        }
      }
      const Values found{s == 5 ? 1.0 : 0.0};
      found_eager.write(found);
      found_captured.write(found);
      eager.random_grads(s);
      captured.random_grads(s);
      eager.step(&eager_options);
      graph.replay();
      EXPECT_TRUE(equal(eager.snapshot(), captured.snapshot())) << "step " << s;
    }
    EXPECT_EQ(captured.counter(), 5);
  }
};

TEST_P(StepGraph, Plain) { replays_equal_eager_steps({rule().name, few_shapes(rule()), {variants(rule())[1].hypers}}); }

TEST_P(StepGraph, WithAllHelpers) {
  PlanSpec spec{rule().name, few_shapes(rule()), {variants(rule())[1].hypers}};
  spec.helpers = all_helpers(rule()).helpers;
  replays_equal_eager_steps(spec);
}

TEST_P(StepGraph, WithMasterWeights) {
  PlanSpec spec{rule().name, few_shapes(rule()), {variants(rule())[1].hypers}};
  spec.param = OPTIM_F16;
  spec.master_weights = true;
  replays_equal_eager_steps(spec);
}

// Runs of tiles beside tensors whose passes are apart.
TEST_P(StepGraph, WithMoreThanStaysOnTheChip) {
  if (rule().shape != "reduced") return;  // others have no second pass
  PlanSpec spec{rule().name, few_shapes(rule()), {variants(rule())[1].hypers}};
  spec.tensors.insert(spec.tensors.begin() + 1, {{2, 17000}});
  spec.helpers.clip_norm = 1;
  replays_equal_eager_steps(spec);
}

// The draws are those of the device's step counter.
TEST_P(StepGraph, WithStochasticRounding) {
  PlanSpec spec{rule().name, few_shapes(rule()), {variants(rule())[1].hypers}};
  spec.param = OPTIM_BF16;
  spec.stochastic_rounding = true;
  replays_equal_eager_steps(spec);
}

// The whole cycle of dynamic loss scaling: whether a step overflows, and what the next one is divided by, is the
// device's.
TEST_P(StepGraph, WithLossScaling) {
  const PlanSpec spec{rule().name, few_shapes(rule()), {variants(rule())[1].hypers}};
  Engine eager_engine(OPTIM_CUDA), captured_engine(OPTIM_CUDA);
  Graph graph;
  check(optim_engine_set_stream(captured_engine, graph.stream()));
  Session eager(eager_engine, spec), captured(captured_engine, spec);
  Buffer eager_state(eager_engine, OPTIM_F64, sizeof(optim_loss_scale) / 8);
  Buffer captured_state(captured_engine, OPTIM_F64, sizeof(optim_loss_scale) / 8);
  auto scaling = sized<optim_loss_scale_options>();
  scaling.growth_interval = 2;
  const auto cycle = [&](Engine& engine, Session& session, Buffer& buffer) {
    auto* const state = static_cast<optim_loss_scale*>(buffer.data());
    auto options = sized<optim_step>();
    options.grad_scale = &state->scale;
    options.overflow = &state->overflow;
    session.step(&options);
    check(optim_loss_scale_update(engine, &scaling, state));
  };
  for (Session* session : {&eager, &captured}) {
    session->start();
    session->random_grads(1);
  }
  check(optim_loss_scale_init(eager_engine, &scaling, static_cast<optim_loss_scale*>(eager_state.data())));
  check(optim_loss_scale_init(captured_engine, &scaling, static_cast<optim_loss_scale*>(captured_state.data())));
  cycle(eager_engine, eager, eager_state);
  cycle(captured_engine, captured, captured_state);
  graph.capture([&] { cycle(captured_engine, captured, captured_state); });
  for (uint64_t s = 2; s <= 7; ++s) {
    for (Session* session : {&eager, &captured}) {
      session->random_grads(s);
      if (s % 3 != 0) continue;
      Values grad = session->grad(0);
      grad.back() = s == 3 ? INFINITY : NAN;
      session->set_grad(0, grad);
    }
    cycle(eager_engine, eager, eager_state);
    graph.replay();
    EXPECT_TRUE(equal(eager.snapshot(), captured.snapshot())) << "step " << s;
    EXPECT_EQ(eager_state.bytes(), captured_state.bytes()) << "step " << s;
  }
  EXPECT_EQ(captured.counter(), 5);
}

// A training run: the learning rate moves all the time, some steps are skipped, and one capture serves to the end.
TEST_P(StepGraph, AThousandReplays) {
  PlanSpec spec{rule().name, {{{5}}, {{3, 4}}, {{2, 2, 3}}}, {variants(rule())[1].hypers, variants(rule())[0].hypers}};
  spec.group_of = {0, 1, 0};
  if (rule().shape != "matrix") spec.tensors.push_back({{33, 65}}), spec.group_of.push_back(1);  // two tiles
  spec.helpers.clip_norm = 1;
  Engine eager_engine(OPTIM_CUDA), captured_engine(OPTIM_CUDA);
  Graph graph;
  check(optim_engine_set_stream(captured_engine, graph.stream()));
  Session eager(eager_engine, spec), captured(captured_engine, spec);
  Buffer found_eager(eager_engine, OPTIM_F32, 1), found_captured(captured_engine, OPTIM_F32, 1);
  auto eager_options = sized<optim_step>(), captured_options = eager_options;
  eager_options.found_inf = static_cast<const float*>(found_eager.data());
  captured_options.found_inf = static_cast<const float*>(found_captured.data());
  eager.start();
  captured.start();
  eager.train(1, 1);
  captured.train(1, 1);
  graph.capture([&] { captured.step(&captured_options); });
#if defined(__SANITIZE_ADDRESS__)
  constexpr int replays = 100;  // each takes several times as long
#else
  constexpr int replays = 1000;
#endif
  int made = 1, without = 0;
  for (int i = 1; i <= replays; ++i) {
    const std::vector<double> row = with(rule(), spec.hypers[1], "lr", 1e-4 * (1 + i % 50));
    const bool skips = i % 7 == 0;
    made += skips ? 0 : 1;
    for (Session* session : {&eager, &captured}) {
      check(optim_plan_set_hypers(session->plan(), 1, row.data(), static_cast<int64_t>(row.size())));
      if (i % 100 == 1) session->random_grads(static_cast<uint64_t>(i));
      // A program of linear algebra is captured with the tensors that it works on.
      if (i % 40 == 13 && rule().shape != "matrix") session->set_absent(2, i % 80 == 13);
    }
    without += !skips && captured.absent(2) ? 1 : 0;
    if (i % 7 <= 1) {
      found_eager.write(Values{skips ? 1.0 : 0.0});
      found_captured.write(Values{skips ? 1.0 : 0.0});
    }
    eager.step(&eager_options);
    graph.replay();
    if (i % 100 == 0 || i < 10) {
      ASSERT_TRUE(equal(eager.snapshot(), captured.snapshot())) << "replay " << i;
    }
  }
  for (size_t i : {0u, 1u}) EXPECT_EQ(captured.counter(i), made);
  EXPECT_EQ(captured.counter(2), made - without);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StepGraph);
INSTANTIATE_TEST_SUITE_P(Native, StepGraph, testing::ValuesIn(rules_on(OPTIM_CUDA)), name_of_rule);

}  // namespace
}  // namespace optim_test
#endif
