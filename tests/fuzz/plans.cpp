// Random plans through everything a training program may ask of one. A plan on several threads also gets calls that are
// refused and buffers that move; its twin on one thread does not. Both must have the same memory after every step.
#include <algorithm>
#include <cmath>
#include <functional>

#include "draw_plan.h"
#include "misuse.h"

namespace optim_fuzz {
namespace {

class Training {
 public:
  Training(Random& random, const Settings& settings, PlanSpec spec)
      : random_(random),
        rule_(*find_rule(spec.rule)),
        many_(OPTIM_CPU, static_cast<int32_t>(random.between(1, settings.threads))),
        tested_(many_, spec),
        twin_(one_, spec) {
    if (devices().size() > 1 && random.chance(0.5)) {
      cuda_engine_ = std::make_unique<Engine>(OPTIM_CUDA);
      cuda_ = std::make_unique<Session>(*cuda_engine_, std::move(spec));
    }
    const uint64_t seed = random.next();
    on_all([&](Session& session) { session.start(seed); });
    initial_ = params(twin_);
    const optim_helpers& h = twin_.spec().helpers;
    sums_ =
        h.centralize + h.normalize > 0 || h.clip_norm + h.agc_clip_val + h.stable_weight_decay + h.norm_loss_factor > 0;
    for (const std::vector<double>& row : twin_.spec().hypers) sums_ = sums_ || sums(row);
  }

  void run() {
    for (int64_t n = random_.between(1, 6); n > 0; --n) {
      if (random_.chance(0.4)) refused_call();
      if (random_.chance(0.5)) set_hypers();
      if (random_.chance(0.15)) set_counts();
      if (random_.chance(0.1)) on_all([](Session& session) { session.init(); });
      if (random_.chance(0.3)) move();
      step();
      if (testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed()) return;
    }
    for (const auto& [buffer, bytes] : abandoned_) EXPECT_EQ(buffer->bytes(), bytes) << "a buffer no longer bound";
    if (cuda_ != nullptr) compare_with_cuda();
  }

 private:
  static std::vector<Values> params(const Session& session) {
    std::vector<Values> all;
    for (size_t i = 0; i < session.size(); ++i) all.push_back(session.param(i));
    return all;
  }

  // Whether the rule acts as a helper that sums over gradients or parameters: the engines add up in orders of their own.
  bool sums(const std::vector<double>& row) const {
    for (const char* name : {"use_gc", "agc_clipping_value", "centralize_gradients", "normalize_gradients",
                             "norm_loss_factor", "pre_norm", "max_grad_norm", "adanorm"}) {
      const int i = rule_.index_of(name);
      if (i >= 0 && row[static_cast<size_t>(i)] != 0) return true;
    }
    return false;
  }

  template <class Use>
  void on_all(Use use) {
    use(tested_);
    use(twin_);
    if (cuda_ != nullptr) use(*cuda_);
  }

  void step() {
    const uint64_t seed = random_.next();
    on_all([&](Session& session) { session.random_grads(seed); });
    const bool changes = random_.chance(0.3);  // what is bound, which has everything worked out anew
    for (size_t i = 0; i < twin_.size(); ++i) {
      Values grad = twin_.grad(i);
      if (random_.chance(0.05)) {
        spoil(random_, grad);
        finite_ = false;
      }
      const bool absent = changes ? random_.chance(0.2) : twin_.absent(i);
      on_all([&](Session& session) {
        session.set_grad(i, grad);
        if (session.absent(i) != absent) session.set_absent(i, absent);
      });
    }
    if (changes && !rule_.needs.empty()) {
      const bool given = random_.chance(0.7);
      on_all([&](Session& session) { session.give_inputs(given); });
    }
    const bool scaled = random_.chance(0.2), reported = random_.chance(0.2), skipped = random_.chance(0.1);
    std::vector<optim_status> statuses;
    std::vector<Values> reports;
    on_all([&](Session& session) {
      Engine& engine = &session == &tested_ ? many_ : &session == &twin_ ? one_ : *cuda_engine_;
      Buffer scale(engine, OPTIM_F32, 1), found(engine, OPTIM_F32, 1), overflow(engine, OPTIM_F32, 1);
      scale.write(Values{4});
      found.write(Values{skipped ? 1.0 : 0.0});
      auto options = sized<optim_step>();
      if (scaled) options.grad_scale = static_cast<const float*>(scale.data());
      if (skipped) options.found_inf = static_cast<const float*>(found.data());
      if (reported) options.overflow = static_cast<float*>(overflow.data());
      const Snapshot before = session.snapshot();
      statuses.push_back(optim_plan_step(session.plan(), scaled || reported || skipped ? &options : nullptr));
      check(optim_engine_synchronize(engine));
      reports.push_back(overflow.values());
      const bool overflowed = reported && reports.back()[0] != 0;
      if (statuses.back() != OPTIM_OK) {
        EXPECT_TRUE(refused(statuses.back(), {"not bound"}));
        EXPECT_FALSE(rule_.needs.empty()) << optim_last_error();
      }
      if (statuses.back() == OPTIM_OK && !skipped && !overflowed) return;
      EXPECT_TRUE(equal(before, session.snapshot())) << "a step that was skipped or refused";
    });
    for (size_t k = 1; k < statuses.size(); ++k) {
      EXPECT_EQ(statuses[k], statuses[0]);
      EXPECT_EQ(reports[k], reports[0]) << "overflow";
    }
    EXPECT_TRUE(equal(tested_.snapshot(), twin_.snapshot())) << "after a step";
  }

  void move() {
    for (Buffer* buffer : tested_.move_buffers()) {
      Bytes garbage(buffer->bytes().size(), 0x5a);
      buffer->write(garbage);
      abandoned_.emplace_back(buffer, std::move(garbage));
    }
  }

  std::vector<double> hypers(Session& session, int64_t group) {
    std::vector<double> row(rule_.hypers.size());
    check(optim_plan_get_hypers(session.plan(), group, row.data(), static_cast<int64_t>(row.size())));
    return row;
  }

  int64_t draw_group() { return random_.between(0, static_cast<int64_t>(twin_.spec().hypers.size()) - 1); }

  void set_hypers() {
    if (rule_.hypers.empty()) return;
    const int64_t group = draw_group();
    const std::vector<double> before = hypers(tested_, group);
    std::vector<double> row = before;
    auto i = static_cast<size_t>(random_.between(0, static_cast<int64_t>(row.size()) - 1));
    for (int tries = 0; rule_.hypers[i].kind == "real" && tries < 3; ++tries)  // those that decide how a step is made
      i = static_cast<size_t>(random_.between(0, static_cast<int64_t>(row.size()) - 1));
    row[i] = valid_value(random_, rule_.hypers[i]);
    row.resize(static_cast<size_t>(random_.between(static_cast<int64_t>(i) + 1, static_cast<int64_t>(row.size()))));
    const auto set = [&](Session& session) {
      return optim_plan_set_hypers(session.plan(), group, row.data(), static_cast<int64_t>(row.size()));
    };
    const optim_status status = set(tested_);
    if (status != OPTIM_OK) {
      EXPECT_TRUE(refused(status, {}, status == OPTIM_UNSUPPORTED ? status : OPTIM_INVALID_ARGUMENT));
      EXPECT_EQ(hypers(tested_, group), before);
      return;
    }
    check(set(twin_));
    if (cuda_ != nullptr) check(set(*cuda_));
    EXPECT_EQ(hypers(tested_, group), hypers(twin_, group));
    sums_ = sums_ || sums(hypers(twin_, group));
  }

  void set_counts() {
    std::vector<int64_t> steps;
    std::vector<int32_t> stepped;
    for (size_t i = 0; i < twin_.size(); ++i) {
      steps.push_back(random_.chance(0.1) ? random_.between(0, int64_t{1} << 40) : random_.between(0, 9));
      stepped.push_back(steps.back() > 0 ? 1 : 0);
    }
    const bool told = random_.chance(0.5);
    // A group may have one count for all its tensors, and then takes no others.
    const optim_status status =
        optim_plan_set_steps(tested_.plan(), steps.data(), nullptr, told ? stepped.data() : nullptr);
    if (status != OPTIM_OK) {
      EXPECT_TRUE(refused(status, {"steps"}));
      return;
    }
    check(optim_plan_set_steps(twin_.plan(), steps.data(), nullptr, told ? stepped.data() : nullptr));
    if (cuda_ != nullptr)
      check(optim_plan_set_steps(cuda_->plan(), steps.data(), nullptr, told ? stepped.data() : nullptr));
  }

  void refused_call() {
    optim_plan* const plan = tested_.plan();
    const Snapshot before = tested_.snapshot();
    const int64_t group = draw_group();
    const std::vector<double> row = hypers(tested_, group);
    const auto groups = static_cast<int64_t>(twin_.spec().hypers.size());
    const auto count = static_cast<int64_t>(tested_.size());
    std::vector<std::function<optim_status()>> calls{
        [&] { return optim_plan_set_hypers(plan, groups, row.data(), 1); },
        [&] { return optim_plan_set_hypers(plan, -1, row.data(), 1); },
        [&] { return optim_plan_set_hypers(plan, group, row.data(), static_cast<int64_t>(row.size()) + 1); },
        [&] { return optim_plan_set_hypers(plan, group, row.data(), -1); },
        [&] {
          int64_t slots = 7;
          const optim_status status = optim_plan_slot_count(plan, count, &slots);
          EXPECT_EQ(slots, 7) << "a refused call wrote";
          return status;
        },
        [&] {
          optim_step options{};
          options.size = 4;
          return optim_plan_step(plan, &options);
        },
        [&] {
          auto options = sized<optim_step>();
          options.grad_scale = reinterpret_cast<const float*>(reinterpret_cast<const char*>(row.data()) + 1);
          return optim_plan_step(plan, &options);
        },
    };
    if (!row.empty()) {
      calls.emplace_back([&] {
        std::vector<double> wrong = row;
        const auto i = static_cast<size_t>(random_.between(0, static_cast<int64_t>(row.size()) - 1));
        wrong[i] = invalid_value(random_, rule_.hypers[i]);
        return optim_plan_set_hypers(plan, group, wrong.data(), static_cast<int64_t>(wrong.size()));
      });
    }
    if (rule_.needs.empty())
      calls.emplace_back([&] { return optim_plan_bind_inputs(plan, tested_.input_pointers().data()); });
    if (count > 0) {
      calls.emplace_back([&] {
        std::vector<int64_t> steps(before.steps);
        steps.back() = random_.chance(0.5) ? -1 : (int64_t{1} << 53) + 1;
        return optim_plan_set_steps(plan, steps.data(), nullptr, nullptr);
      });
      calls.emplace_back([&] {
        const std::vector<int32_t> stepped(before.steps.size(), 2);
        return optim_plan_set_steps(plan, before.steps.data(), nullptr, stepped.data());
      });
    }
    const auto last = static_cast<size_t>(std::max<int64_t>(count, 1)) - 1;
    if (count > 0 && tested_.param_buffer(last).count() > 0) {
      const auto bind = [&](const std::function<void*(char*)>& spoiled) {
        std::vector<void*> pointers, grads;
        for (size_t i = 0; i <= last; ++i) {
          pointers.push_back(tested_.param_buffer(i).data());
          grads.push_back(tested_.grad_buffer(i).data());
        }
        pointers[last] = spoiled(static_cast<char*>(pointers[last]));
        return optim_plan_bind(plan, pointers.data(), grads.data(), nullptr);
      };
      calls.emplace_back([=] { return bind([](char*) { return nullptr; }); });
      calls.emplace_back([=] { return bind([](char* data) { return data + 1; }); });
      calls.emplace_back([=] { return bind([&](char*) { return tested_.grad_buffer(last).data(); }); });
    }
    EXPECT_TRUE(refused(random_.pick(calls)(), {}));
    EXPECT_TRUE(equal(before, tested_.snapshot())) << "a refused call changed something";
    EXPECT_EQ(hypers(tested_, group), row) << "a refused call changed something";
  }

  // As test_parity.cpp does.
  void compare_with_cuda() {
    const Snapshot cpu = twin_.snapshot(), cuda = cuda_->snapshot();
    EXPECT_EQ(cpu.steps, cuda.steps);
    EXPECT_EQ(cpu.stepped, cuda.stepped);
    const PlanSpec& spec = twin_.spec();
    bool elementwise = rule_.shape == "elementwise" && !sums_,
         wide = spec.state != OPTIM_F16 && spec.state != OPTIM_BF16;
    for (size_t i = 0; i < twin_.size(); ++i) {
      for (const auto& slot : twin_.slots(i)) elementwise = elementwise && slot.shape == spec.tensors[i].shape;
      const int32_t param = spec.param_of(spec.tensors[i]);
      wide = wide && param != OPTIM_F16 && param != OPTIM_BF16;
    }
    if (elementwise) {
      EXPECT_TRUE(equal(cpu, cuda)) << "the CUDA engine";
    } else if (wide && finite_) {
      const double floor = rule_.shape == "matrix" ? 4e-5 : spec.param == OPTIM_F64 ? 1e-9 : 4e-6;
      for (size_t i = 0; i < twin_.size(); ++i) {
        const Values expected = twin_.param(i);
        EXPECT_LE(distance(cuda_->param(i), expected), floor * (norm(expected) + norm(initial_[i])))
            << "parameter " << i << " on the CUDA engine";
      }
    }
  }

  Random& random_;
  const Rule& rule_;
  Engine one_{OPTIM_CPU, 1};
  Engine many_;
  std::unique_ptr<Engine> cuda_engine_;
  Session tested_, twin_;
  std::unique_ptr<Session> cuda_;
  std::vector<Values> initial_;
  std::vector<std::pair<Buffer*, Bytes>> abandoned_;
  bool finite_ = true, sums_ = false;
};

}  // namespace

void plans(Random& random, const Settings& settings) {
  // Little work stays on one thread, and the stand-in for a GPU is slow.
  PlanSpec spec = draw_plan(random, devices().size() > 1 ? 600 : random.chance(0.1) ? 90000 : 1500);
  Engine engine;
  auto* const untouched = reinterpret_cast<optim_plan*>(&engine);
  optim_plan* plan = untouched;

  PlanSpec broken = spec;
  const optim_status expected = break_plan(random, broken);
  const optim_status broken_status = create_plan(engine, broken, &plan);
  if (broken_status == OPTIM_OK) optim_plan_free(plan);
  EXPECT_TRUE(refused(broken_status, {}, expected)) << describe(broken);
  EXPECT_EQ(plan, untouched) << "a refused call wrote";

  SCOPED_TRACE(describe(spec));
  plan = untouched;
  const optim_status status = create_plan(engine, spec, &plan);
  if (status == OPTIM_OK) {
    optim_plan_free(plan);
    Training(random, settings, std::move(spec)).run();
    return;
  }
  EXPECT_EQ(plan, untouched) << "a refused call wrote";
  EXPECT_TRUE(refused(status, {}, status == OPTIM_UNSUPPORTED ? status : OPTIM_INVALID_ARGUMENT));
}

}  // namespace optim_fuzz
