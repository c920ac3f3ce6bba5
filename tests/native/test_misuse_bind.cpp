// Refused: binding, stepping and asking plans. After every refusal the plan goes on with what it had.
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <utility>

#include "helper_settings.h"
#include "misuse.h"

namespace optim_test {
namespace {

class MisuseBind : public PerRule {
 protected:
  MisuseBind() {
    PlanSpec spec{rule().name, {{{8}}, {{4, 3}}, {{6}}}, {variants(rule())[1].hypers}};
    spec.helpers = all_helpers(rule()).helpers;
    session_ = std::make_unique<Session>(engine_, spec);
    session_->start();
    for (size_t i = 0; i < session_->size(); ++i) {
      params_.push_back(session_->param_buffer(i).data());
      grads_.push_back(session_->grad_buffer(i).data());
      for (size_t s = 0; s < session_->slots(i).size(); ++s) states_.push_back(session_->state_buffer(i, s).data());
    }
    Session undisturbed(engine_, spec);
    undisturbed.start();
    undisturbed.train(1, 2);
    expected_ = undisturbed.snapshot();
    before_ = session_->snapshot();
  }

  // Every test ends here: nothing was changed, and the plan works as if nothing had happened.
  void TearDown() override {
    EXPECT_TRUE(equal(before_, session_->snapshot())) << "a refused call changed a buffer";
    session_->train(1, 2);
    EXPECT_TRUE(equal(expected_, session_->snapshot())) << "a refused call changed the plan";
  }

  optim_status bind() { return optim_plan_bind(plan(), params_.data(), grads_.data(), states_.data()); }
  optim_plan* plan() const { return session_->plan(); }

  // Calls bind with one pointer replaced, and puts it back.
  testing::AssertionResult refused_with(void*& pointer, void* value, const std::vector<std::string>& words) {
    void* const good = std::exchange(pointer, value);
    const optim_status status = bind();
    const testing::AssertionResult result = refused(status, words);
    pointer = good;
    if (status == OPTIM_OK) check(bind());
    return result;
  }
  static void* moved(void* pointer, int64_t bytes) { return static_cast<char*>(pointer) + bytes; }

  Engine engine_{device()};
  std::unique_ptr<Session> session_;
  std::vector<void*> params_, grads_, states_;
  Snapshot expected_, before_;
};

TEST_P(MisuseBind, Nulls) {
  EXPECT_TRUE(refused(optim_plan_bind(nullptr, params_.data(), grads_.data(), states_.data()), {"plan"}));
  EXPECT_TRUE(refused_with(params_[1], nullptr, {"params[1]"}));
  EXPECT_TRUE(refused_with(states_.back(), nullptr, {"state"}));
}

TEST_P(MisuseBind, Misaligned) {
  for (int64_t bytes : {1, 2, 3}) {
    EXPECT_TRUE(refused_with(params_[0], moved(params_[0], bytes), {"params[0]", "align"})) << bytes;
    EXPECT_TRUE(refused_with(grads_[1], moved(grads_[1], bytes), {"grads[1]", "align"})) << bytes;
    EXPECT_TRUE(refused_with(states_[0], moved(states_[0], bytes), {"state", "align"})) << bytes;
  }
}

TEST_P(MisuseBind, Overlaps) {
  EXPECT_TRUE(refused_with(params_[2], params_[0], {"params[0]", "params[2]", "overlap"}));
  EXPECT_TRUE(refused_with(params_[2], moved(params_[0], 4), {"params[0]", "params[2]", "overlap"}));
  EXPECT_TRUE(refused_with(params_[2], moved(params_[0], 28), {"params[0]", "params[2]", "overlap"}));
  EXPECT_TRUE(refused_with(grads_[0], params_[0], {"grads[0]", "params[0]", "overlap"}));
  EXPECT_TRUE(refused_with(grads_[1], moved(params_[1], 44), {"grads[1]", "params[1]", "overlap"}));
  EXPECT_TRUE(refused_with(states_[0], params_[0], {"params[0]", "overlap"}));
  EXPECT_TRUE(refused_with(states_.back(), states_[0], {"state", "overlap"}));
  EXPECT_TRUE(refused_with(grads_[0], states_[0], {"grads[0]", "overlap"}));
}

TEST_P(MisuseBind, GradientsMayBeShared) {
  // Nothing writes gradients, so two tensors may read the same one.
  void* const good = grads_[2];
  grads_[2] = grads_[0];
  EXPECT_EQ(bind(), OPTIM_OK) << optim_last_error();
  grads_[2] = good;
  check(bind());
}

TEST_P(MisuseBind, NeighboursMayTouch) {
  Buffer flat(engine_, OPTIM_F32, 26);
  std::vector<void*> params{flat.data(), moved(flat.data(), 32), moved(flat.data(), 80)};
  EXPECT_EQ(optim_plan_bind(plan(), params.data(), nullptr, nullptr), OPTIM_OK) << optim_last_error();
  check(bind());
}

TEST_P(MisuseBind, AddressesBeyondTheEnd) {
  EXPECT_TRUE(refused_with(params_[0], reinterpret_cast<void*>(UINTPTR_MAX - 15), {"params[0]"}));
}

TEST_P(MisuseBind, HostMemoryOnADevice) {
  if (device() == OPTIM_CPU) return;
  void* host = std::aligned_alloc(256, 256);
  EXPECT_TRUE(refused_with(params_[0], host, {"params[0]"}));
  EXPECT_TRUE(refused_with(grads_[0], host, {"grads[0]"}));
  EXPECT_TRUE(refused_with(states_[0], host, {"state"}));
  std::free(host);
}

TEST_P(MisuseBind, StepOptions) {
  EXPECT_TRUE(refused(optim_plan_step(nullptr, nullptr), {"plan"}));
  auto options = sized<optim_step>();
  Buffer scale(engine_, OPTIM_F32, 2);
  const auto* misaligned = reinterpret_cast<const float*>(moved(scale.data(), 2));
  options.grad_scale = misaligned;
  EXPECT_TRUE(refused(optim_plan_step(plan(), &options), {"grad_scale"}));
  options.grad_scale = nullptr;
  options.found_inf = misaligned;
  EXPECT_TRUE(refused(optim_plan_step(plan(), &options), {"found_inf"}));
  options.found_inf = nullptr;
  options.overflow = const_cast<float*>(misaligned);
  EXPECT_TRUE(refused(optim_plan_step(plan(), &options), {"overflow"}));
}

TEST_P(MisuseBind, StepStructSizes) {
  // Accepted calls step, so they are made on another plan.
  Session other(engine_, {rule().name, {{{3}}}, {rule().defaults()}});
  other.start();
  const auto options = sized<optim_step>();
  expect_sizes_checked<optim_step>(
      options, [&](const optim_step* o) { return optim_plan_step(other.plan(), o); }, [] {},
      offsetof(optim_step, overflow));
  EXPECT_EQ(other.counter(), 2)
      << "only the accepted calls may have stepped: that of an earlier header and that of a later one";
}

TEST_P(MisuseBind, Counters) {
  const size_t tensors = session_->size();
  std::vector<int64_t> steps(tensors, -77);
  EXPECT_TRUE(refused(optim_plan_get_steps(nullptr, steps.data(), nullptr, nullptr), {"plan"}));
  EXPECT_EQ(steps[0], -77);
  check(optim_plan_get_steps(plan(), nullptr, nullptr, nullptr));
  const Snapshot before = session_->snapshot();
  const int64_t last = int64_t{1} << 53, beyond = std::numeric_limits<int64_t>::max();
  const std::vector<int64_t> fine(tensors, 3);
  EXPECT_TRUE(refused(optim_plan_set_steps(nullptr, fine.data(), nullptr, nullptr), {"plan"}));
  EXPECT_TRUE(refused(optim_plan_set_steps(plan(), nullptr, nullptr, nullptr), {"steps"}));
  for (int64_t wrong : {int64_t{-1}, last + 1, beyond}) {
    std::vector<int64_t> values = fine;
    values.back() = wrong;
    const std::string index = "[" + std::to_string(tensors - 1) + "]";
    EXPECT_TRUE(refused(optim_plan_set_steps(plan(), values.data(), nullptr, nullptr),
                        {"steps" + index, std::to_string(wrong), std::to_string(last)}));
    EXPECT_TRUE(refused(optim_plan_set_steps(plan(), fine.data(), values.data(), nullptr),
                        {"input_steps" + index, std::to_string(wrong)}));
  }
  const std::vector<int32_t> neither(tensors, 2);
  EXPECT_TRUE(refused(optim_plan_set_steps(plan(), fine.data(), nullptr, neither.data()), {"stepped[0]", "2"}));
  EXPECT_TRUE(equal(before, session_->snapshot()));
  Session other(engine_, {rule().name, {{{3}}}, {rule().defaults()}});
  check(optim_plan_set_steps(other.plan(), &last, nullptr, nullptr));
  EXPECT_EQ(other.counter(), last);
  EXPECT_EQ(other.snapshot().stepped[0], 1);
}

TEST_P(MisuseBind, Slots) {
  int64_t count = -77;
  EXPECT_TRUE(refused(optim_plan_slot_count(nullptr, 0, &count), {"plan"}));
  EXPECT_TRUE(refused(optim_plan_slot_count(plan(), 0, nullptr), {"count"}));
  EXPECT_TRUE(refused(optim_plan_slot_count(plan(), 3, &count), {"tensor", "3"}));
  EXPECT_TRUE(refused(optim_plan_slot_count(plan(), -1, &count), {"tensor", "-1"}));
  EXPECT_EQ(count, -77);
  auto slot = sized<optim_slot>();
  slot.bytes = 77;
  EXPECT_TRUE(refused(optim_plan_slot(nullptr, 0, 0, &slot), {"plan"}));
  EXPECT_TRUE(refused(optim_plan_slot(plan(), 0, 0, nullptr), {"slot"}));
  EXPECT_TRUE(refused(optim_plan_slot(plan(), 3, 0, &slot), {"tensor", "3"}));
  EXPECT_TRUE(refused(optim_plan_slot(plan(), 0, -1, &slot), {"index", "-1"}));
  EXPECT_TRUE(refused(optim_plan_slot(plan(), 0, 1000, &slot), {"index", "1000"}));
  EXPECT_EQ(slot.bytes, 77u);
  for (uint64_t size : {uint64_t{0}, uint64_t{sizeof slot - 8}, uint64_t{sizeof slot + 1}, UINT64_MAX}) {
    slot.size = size;
    EXPECT_TRUE(refused(optim_plan_slot(plan(), 0, 0, &slot), {"size", std::to_string(size)}));
  }
  EXPECT_EQ(slot.bytes, 77u);
  Later<optim_slot> later{};
  std::memset(&later, 0xa5, sizeof later);
  later.known.size = sizeof later;
  EXPECT_EQ(optim_plan_slot(plan(), 0, 0, &later.known), OPTIM_OK) << optim_last_error();
  EXPECT_EQ(later.known.size, sizeof later) << "the caller's size is the caller's";
  EXPECT_STRNE(later.known.name, "");
  for (const unsigned char byte : later.unknown) EXPECT_EQ(byte, 0) << "what this version does not know is 0";
}

TEST_P(MisuseBind, Bytes) {
  uint64_t bytes = 77;
  EXPECT_TRUE(refused(optim_plan_bytes_per_step(nullptr, &bytes), {"plan"}));
  EXPECT_TRUE(refused(optim_plan_bytes_per_step(plan(), nullptr), {"bytes"}));
  EXPECT_EQ(bytes, 77u);
}

TEST_P(MisuseBind, InitOfNothing) { EXPECT_TRUE(refused(optim_plan_init_states(nullptr), {"plan"})); }

OPTIM_TEST_PER_RULE(MisuseBind);

class MisuseUnbound : public PerRule {
 protected:
  Engine engine_{device()};
};

TEST_P(MisuseUnbound, StepsNeedAllBuffers) {
  PlanSpec spec{rule().name, {{{8}}, {{4, 3}}}, {variants(rule())[1].hypers}};
  spec.helpers.lookahead_k = 2;  // so that every rule has states
  spec.helpers.lookahead_alpha = 0.5;
  Session buffers(engine_, spec);  // owns memory of the right sizes
  optim_plan* plan = nullptr;
  check(create_plan(engine_, spec, &plan));
  EXPECT_TRUE(refused(optim_plan_step(plan, nullptr), {"params[0]"}));
  EXPECT_TRUE(refused(optim_plan_init_states(plan), {""}));
  std::vector<void*> params, grads, states;
  for (size_t i = 0; i < buffers.size(); ++i) {
    params.push_back(buffers.param_buffer(i).data());
    grads.push_back(buffers.grad_buffer(i).data());
    for (size_t s = 0; s < buffers.slots(i).size(); ++s) states.push_back(buffers.state_buffer(i, s).data());
  }
  check(optim_plan_bind(plan, params.data(), grads.data(), nullptr));
  EXPECT_TRUE(refused(optim_plan_step(plan, nullptr), {buffers.slots(0)[0].name}));
  std::vector<int64_t> steps(buffers.size(), -1);
  check(optim_plan_get_steps(plan, steps.data(), nullptr, nullptr));
  EXPECT_EQ(steps, std::vector<int64_t>(buffers.size(), 0));
  check(optim_plan_bind(plan, nullptr, nullptr, states.data()));
  check(optim_plan_init_states(plan));
  const std::vector<void*> inputs = buffers.input_pointers();
  if (!inputs.empty()) {
    EXPECT_TRUE(refused(optim_plan_step(plan, nullptr), {rule().needs[0], "params[0]"}));
    check(optim_plan_bind_inputs(plan, inputs.data()));
  }
  EXPECT_EQ(optim_plan_step(plan, nullptr), OPTIM_OK) << optim_last_error();
  optim_plan_free(plan);
}

// Nothing to do is no error, and costs nothing, however large the other sizes are. Empty tensors have no buffers, so nothing is ever
// bound either.
TEST_P(MisuseUnbound, PlansWithoutElements) {
  constexpr int64_t kMany = int64_t{1} << 32;
  for (const std::vector<TensorSpec>& tensors : {std::vector<TensorSpec>{}, std::vector<TensorSpec>{{{0}}, {{0, 3}}},
                                                 std::vector<TensorSpec>{{{kMany, 0, kMany}}, {{kMany, 0}}}}) {
    SCOPED_TRACE(tensors.size());
    PlanSpec spec{rule().name, tensors, {variants(rule())[1].hypers}};
    spec.helpers = all_helpers(rule()).helpers;
    Session empty(engine_, spec);
    for (size_t i = 0; i < empty.size(); ++i) {
      for (const Session::SlotInfo& slot : empty.slots(i)) EXPECT_LE(numel(slot.shape), 1) << slot.name;
    }
    empty.init();
    empty.step();
    uint64_t bytes = 77;
    check(optim_plan_bytes_per_step(empty.plan(), &bytes));
    EXPECT_EQ(bytes, 0u);
  }
}

OPTIM_TEST_PER_RULE(MisuseUnbound);

}  // namespace
}  // namespace optim_test
