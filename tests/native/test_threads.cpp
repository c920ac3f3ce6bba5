// The threads of the CPU engine: too few of them, a forked child, callers side by side, and the mode of arithmetic that a
// caller has set.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cfenv>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "schema.h"
#include "session.h"

namespace optim_test {
namespace {

// Enough elements to be shared out.
PlanSpec large() { return {rules().front().name, {{{400, 200}}, {{70001}}}, {rules().front().defaults()}}; }

Snapshot trained(
    Engine& engine, const std::function<void()>& before_steps = [] {}) {
  Session session(engine, large());
  session.start();
  session.random_grads(1);
  before_steps();
  for (int i = 0; i < 3; ++i) session.step();
  return session.snapshot();
}

class Threads : public testing::Test {
 protected:
  void SetUp() override {
    Engine one(OPTIM_CPU, 1);
    expected_ = trained(one);
  }
  Snapshot expected_;
};

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need much address space, and may not fork
// Whether body() holds in a child, within the time.
bool holds_in_child(const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(body() ? 0 : 1);
  }
  int status = 1;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

std::string description(optim_engine* engine) {
  const char* text = nullptr;
  check(optim_engine_description(engine, &text));
  return text;
}

TEST_F(Threads, ThatCannotBeCreatedAreDoneWithout) {
  EXPECT_TRUE(holds_in_child([&] {
    // Stacks of 1 GiB, of which an address space of 8 GiB has place for a few.
    const rlimit stack{1ull << 30, RLIM_INFINITY}, space{8ull << 30, 8ull << 30};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack.rlim_cur);
    pthread_setattr_default_np(&attributes);
    setrlimit(RLIMIT_AS, &space);
    Engine engine(OPTIM_CPU, 64);
    return equal(trained(engine), expected_);
  }));
}

TEST_F(Threads, AreNotMissedInAForkedChild) {
  Engine engine(OPTIM_CPU, 2);
  Session session(engine, large());
  session.start();
  session.random_grads(1);
  session.step();
  EXPECT_TRUE(holds_in_child([&] {
    session.step();
    session.step();
    Engine another(OPTIM_CPU, 2);
    return equal(session.snapshot(), expected_) && equal(trained(another), expected_);
  }));
  session.step();
  session.step();
  EXPECT_TRUE(equal(session.snapshot(), expected_)) << "in the parent";
}

TEST_F(Threads, AreAsManyAsTheEnvironmentAllows) {
  EXPECT_TRUE(holds_in_child([&] {
    setenv("OMP_NUM_THREADS", "1", 1);
    optim_engine* engine = nullptr;
    check(optim_engine_create(nullptr, &engine));
    return description(engine).find(" 1 thread") != std::string::npos;
  }));
}
#endif

TEST_F(Threads, ServeSeveralCallersAtOnce) {
  Engine engine(OPTIM_CPU, 3);
  Snapshot results[4];
  std::thread callers[4];
  for (int i = 0; i < 4; ++i) callers[i] = std::thread([&, i] { results[i] = trained(engine); });
  for (std::thread& caller : callers) caller.join();
  for (const Snapshot& result : results) EXPECT_TRUE(equal(result, expected_));
}

TEST_F(Threads, ComputeInOneModeWhateverTheCallers) {
  for (const int threads : {1, 2}) {
    for (const int rounding : {FE_UPWARD, FE_TOWARDZERO}) {
      Engine engine(OPTIM_CPU, threads);
      const Snapshot result = trained(engine, [&] { std::fesetround(rounding); });
      EXPECT_EQ(std::fegetround(), rounding) << "the caller's mode";
      std::fesetround(FE_TONEAREST);
      EXPECT_TRUE(equal(result, expected_)) << threads << " threads, rounding mode " << rounding;
    }
  }
}

#if defined(__x86_64__)
TEST_F(Threads, KeepSubnormalNumbers) {
  constexpr unsigned flushing = 0x8040;  // subnormal results and operands become 0
  const unsigned usual = _mm_getcsr();
  const auto tiny = [](Engine& engine, unsigned mode) {
    Session session(engine, large());
    for (size_t i = 0; i < session.size(); ++i) {
      session.set_param(i, Values(static_cast<size_t>(session.param_buffer(i).count()), 1e-36));
      session.set_grad(i, Values(static_cast<size_t>(session.grad_buffer(i).count()), 3e-38));
    }
    session.init();
    _mm_setcsr(_mm_getcsr() | mode);
    session.step();
    return session.snapshot();
  };
  Engine one(OPTIM_CPU, 1);
  const Snapshot expected = tiny(one, 0);
  for (const int threads : {1, 2}) {
    _mm_setcsr(usual | flushing);  // also where the threads are created
    Engine engine(OPTIM_CPU, threads);
    _mm_setcsr(usual);
    const Snapshot result = tiny(engine, flushing);
    EXPECT_EQ(_mm_getcsr() & flushing, flushing) << "the caller's mode";
    _mm_setcsr(usual);
    EXPECT_TRUE(equal(result, expected)) << threads << " threads";
  }
}
#endif

}  // namespace
}  // namespace optim_test
