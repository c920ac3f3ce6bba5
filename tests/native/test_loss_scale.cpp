// Dynamic loss scaling on every device: the rules against their golden cases, whole training against the one that
// skips, and refused settings.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "golden_file.h"
#include "misuse.h"
#include "tolerances.h"

namespace optim_test {
namespace {

// A state in device memory.
class LossScale {
 public:
  LossScale(Engine& engine, const optim_loss_scale_options& options)
      : engine_(engine), options_(options), state_(engine, OPTIM_F64, sizeof(optim_loss_scale) / sizeof(double)) {
    check(optim_loss_scale_init(engine, &options_, state()));
  }

  optim_loss_scale* state() const { return static_cast<optim_loss_scale*>(state_.data()); }
  optim_loss_scale get() const {
    optim_loss_scale host;
    check(optim_buffer_copy(engine_, &host, state(), sizeof host));
    return host;
  }
  void set(const optim_loss_scale& host) { check(optim_buffer_copy(engine_, state(), &host, sizeof host)); }
  void update() { check(optim_loss_scale_update(engine_, &options_, state())); }
  double update(bool overflow) {
    optim_loss_scale host = get();
    host.overflow = overflow ? 1 : 0;
    set(host);
    update();
    EXPECT_EQ(get().overflow, 0);
    return static_cast<double>(get().scale);
  }
  optim_step step_options() const {
    auto options = sized<optim_step>();
    options.grad_scale = &state()->scale;
    options.overflow = &state()->overflow;
    return options;
  }

 private:
  Engine& engine_;
  optim_loss_scale_options options_;
  Buffer state_;
};

optim_loss_scale_options options_of(const GoldenFile& file) {
  auto options = sized<optim_loss_scale_options>();
  const auto number = [&](const char* name) { return file.hypers.at(name).get<double>(); };
  options.init_scale = number("init_scale");
  if (file.optimizer == "loss_scale_fairseq") {
    options.rule = OPTIM_LOSS_SCALE_FAIRSEQ;
    options.growth_factor = number("scale_factor");
    options.growth_interval = file.hypers.at("scale_window").get<int64_t>();
    options.tolerance = number("tolerance");
    options.threshold = std::max(0.0, number("threshold"));  // -1 is none
    options.min_scale = -1;
  } else {
    options.growth_factor = number("growth_factor");
    options.backoff_factor = number("backoff_factor");
    options.growth_interval = file.hypers.at("growth_interval").get<int64_t>();
  }
  return options;
}

class LossScaling : public PerDevice {
 protected:
  void replay(const GoldenFile& file) {
    LossScale scale(engine_, options_of(file));
    const Values& overflow = file.at("in.overflow").values;
    const Values& expected = file.at("out.scale").values;
    ASSERT_EQ(overflow.size(), expected.size());
    for (size_t i = 0; i < overflow.size(); ++i) {
      ASSERT_EQ(scale.update(overflow[i] != 0), expected[i]) << "iteration " << i;
    }
  }

  void train(const GoldenFile& file, int32_t dtype) {
    const Rule& sgd = *find_rule("sgd");
    const Values& initial = file.at("in.param").values;
    std::vector<double> row = with(sgd, sgd.defaults(), "lr", file.hypers.at("lr").get<double>());
    row = with(sgd, row, "momentum", file.hypers.at("momentum").get<double>());
    PlanSpec spec{"sgd", {{{static_cast<int64_t>(initial.size())}}}, {row}};
    Session session(engine_, dtype == OPTIM_F64 ? all_f64(spec) : spec);
    session.set_param(0, initial);
    session.init();
    LossScale scale(engine_, options_of(file));
    const optim_step options = scale.step_options();
    int64_t finite = 0;
    const Tolerance tolerance = dtype == OPTIM_F64 ? Tolerance::float64() : Tolerance::float32(file.name);
    for (int64_t s = 1; file.has("in.grad." + std::to_string(s)); ++s) {
      SCOPED_TRACE("step " + std::to_string(s));
      const Values& grad = file.at("in.grad." + std::to_string(s)).values;
      const bool overflows = std::any_of(grad.begin(), grad.end(), [](double g) { return !std::isfinite(g); });
      const Snapshot before = session.snapshot();
      session.set_grad(0, grad);
      session.step(&options);
      EXPECT_EQ(scale.get().overflow, overflows ? 1 : 0);
      scale.update();
      if (overflows) {
        EXPECT_TRUE(equal(before, session.snapshot()));
      } else {
        ++finite;
      }
      EXPECT_EQ(static_cast<double>(scale.get().scale), file.at("out.scale." + std::to_string(s)).values.at(0));
      const Values& expected = file.at("out.param." + std::to_string(s)).values;
      EXPECT_LE(distance(session.param(0), expected), tolerance.param(expected, initial));
    }
    EXPECT_EQ(session.counter(), finite);
    EXPECT_GT(finite, 0);
  }

  Engine engine_{GetParam()};
};

TEST_P(LossScaling, GoldenCases) {
  std::set<std::string> kinds;
  for (const std::string& name : golden_family("loss_scale.")) {
    SCOPED_TRACE(name);
    const GoldenFile file = read_golden(golden_path(name));
    kinds.insert(file.optimizer);
    if (file.optimizer == "loss_scale_skip") {
      for (int32_t dtype : {OPTIM_F32, OPTIM_F64}) train(file, dtype);
    } else {
      replay(file);
    }
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"loss_scale_amp", "loss_scale_fairseq", "loss_scale_skip"}));
}

TEST_P(LossScaling, DefaultsAreThoseOfTheRules) {
  auto options = sized<optim_loss_scale_options>();
  LossScale amp(engine_, options);
  EXPECT_EQ(amp.get().scale, 65536);
  for (int i = 1; i < 2000; ++i) amp.update();
  EXPECT_EQ(amp.get().scale, 65536);
  EXPECT_EQ(amp.get().growth_tracker, 1999);
  amp.update();
  EXPECT_EQ(amp.get().scale, 131072);
  EXPECT_EQ(amp.update(true), 65536);

  options.rule = OPTIM_LOSS_SCALE_FAIRSEQ;
  LossScale fairseq(engine_, options);
  EXPECT_EQ(fairseq.get().scale, 32768);
  EXPECT_EQ(fairseq.update(true), 16384);
  EXPECT_EQ(fairseq.get().iteration, 1);
  EXPECT_EQ(fairseq.get().last_overflow, 0);
  EXPECT_EQ(fairseq.get().last_rescale, 0);
}

TEST_P(LossScaling, AUselessScaleIsRestoredAndReported) {
  auto options = sized<optim_loss_scale_options>();
  options.rule = OPTIM_LOSS_SCALE_FAIRSEQ;
  options.init_scale = 0.125;
  LossScale scale(engine_, options);
  EXPECT_EQ(scale.update(true), 0.0625);
  EXPECT_EQ(scale.get().failed, 0);
  EXPECT_EQ(scale.update(true), 0.0625) << "half of it is min_scale, 2^-5";
  EXPECT_EQ(scale.get().failed, 1);
  EXPECT_EQ(scale.update(false), 0.0625);
  EXPECT_EQ(scale.get().failed, 1) << "until somebody has seen it";

  options.min_scale = -1;
  LossScale unlimited(engine_, options);
  for (double expected = 0.0625; expected > 1e-3; expected /= 2) EXPECT_EQ(unlimited.update(true), expected);
  EXPECT_EQ(unlimited.get().failed, 0);
}

TEST_P(LossScaling, AShorterIntervalTakesEffectAtOnce) {
  auto options = sized<optim_loss_scale_options>();
  options.growth_interval = 3;
  LossScale scale(engine_, options);
  optim_loss_scale state = scale.get();
  state.growth_tracker = 1000;  // of a longer one
  scale.set(state);
  scale.update();
  EXPECT_EQ(scale.get().scale, 131072);
  EXPECT_EQ(scale.get().growth_tracker, 0);
}

TEST_P(LossScaling, TheScaleStaysANormalNumber) {
  for (int32_t rule : {OPTIM_LOSS_SCALE_AMP, OPTIM_LOSS_SCALE_FAIRSEQ}) {
    auto options = sized<optim_loss_scale_options>();
    options.rule = rule;
    options.growth_interval = 1;
    options.min_scale = rule == OPTIM_LOSS_SCALE_FAIRSEQ ? -1 : 0;
    options.init_scale = 0x1p126;
    LossScale large(engine_, options);
    EXPECT_EQ(large.update(false), 0x1p127);
    EXPECT_EQ(large.update(false), 0x1p127) << "twice that is infinite";
    options.init_scale = FLT_MIN;
    LossScale small(engine_, options);
    EXPECT_EQ(small.update(true), static_cast<double>(FLT_MIN));
  }
}

TEST_P(LossScaling, SettingsAreRefusedByName) {
  LossScale scale(engine_, sized<optim_loss_scale_options>());
  const optim_loss_scale before = scale.get();
  const auto refuses = [&](const char* name, const char* value, auto set) {
    auto options = sized<optim_loss_scale_options>();
    set(options);
    EXPECT_TRUE(refused(optim_loss_scale_init(engine_, &options, scale.state()), {"options", name, value}));
    EXPECT_TRUE(refused(optim_loss_scale_update(engine_, &options, scale.state()), {"options", name, value}));
  };
  using O = optim_loss_scale_options;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto fairseq = [](O& o) { o.rule = OPTIM_LOSS_SCALE_FAIRSEQ; };
  refuses("rule", "2", [](O& o) { o.rule = 2; });
  refuses("reserved", "1", [](O& o) { o.reserved = 1; });
  refuses("init_scale", "-1", [](O& o) { o.init_scale = -1; });
  refuses("init_scale", "nan", [](O& o) { o.init_scale = NAN; });
  refuses("init_scale", "3.4028236692093846e+38", [](O& o) { o.init_scale = 0x1p128; });
  refuses("growth_factor", "is 1;", [](O& o) { o.growth_factor = 1; });
  refuses("growth_factor", "inf", [=](O& o) { o.growth_factor = infinity; });
  refuses("backoff_factor", "is 1;", [](O& o) { o.backoff_factor = 1; });
  refuses("backoff_factor", "-0.5", [](O& o) { o.backoff_factor = -0.5; });
  refuses("growth_interval", "-1", [](O& o) { o.growth_interval = -1; });
  refuses("tolerance", "0.5", [](O& o) { o.tolerance = 0.5; });
  refuses("threshold", "1", [](O& o) { o.threshold = 1; });
  refuses("min_scale", "1", [](O& o) { o.min_scale = 1; });
  refuses("backoff_factor", "0.5", [=](O& o) { fairseq(o), o.backoff_factor = 0.5; });
  refuses("tolerance", "1.5", [=](O& o) { fairseq(o), o.tolerance = 1.5; });
  refuses("tolerance", "nan", [=](O& o) { fairseq(o), o.tolerance = NAN; });
  refuses("threshold", "-1", [=](O& o) { fairseq(o), o.threshold = -1; });
  refuses("threshold", "9.99", [=](O& o) { fairseq(o), o.threshold = 1e39; });
  refuses("min_scale", "-2", [=](O& o) { fairseq(o), o.min_scale = -2; });
  const optim_loss_scale after = scale.get();
  EXPECT_EQ(std::memcmp(&before, &after, sizeof before), 0);
}

TEST_P(LossScaling, Misuse) {
  LossScale scale(engine_, sized<optim_loss_scale_options>());
  const auto options = sized<optim_loss_scale_options>();
  auto* const misaligned = reinterpret_cast<optim_loss_scale*>(reinterpret_cast<char*>(scale.state()) + 4);
  for (auto* call : {&optim_loss_scale_init, &optim_loss_scale_update}) {
    EXPECT_TRUE(refused(call(nullptr, &options, scale.state()), {"engine", "NULL"}));
    EXPECT_TRUE(refused(call(engine_, nullptr, scale.state()), {"options", "NULL"}));
    EXPECT_TRUE(refused(call(engine_, &options, nullptr), {"state", "NULL"}));
    EXPECT_TRUE(refused(call(engine_, &options, misaligned), {"state", "misaligned"}));
    optim_loss_scale host{};
    if (GetParam() != OPTIM_CPU) {
      EXPECT_TRUE(refused(call(engine_, &options, &host), {"state", "device"}));
    }
    expect_sizes_checked<optim_loss_scale_options>(
        options, [&](const optim_loss_scale_options* o) { return call(engine_, o, scale.state()); });
  }
}

OPTIM_TEST_PER_DEVICE(LossScaling);

// A step that reports overflow: of every rule, in any storage, wherever the element is.
class Overflow : public PerRule {
 protected:
  void reports(const PlanSpec& spec) {
    Session plain(engine_, spec), session(engine_, spec);
    plain.start();
    session.start();
    Buffer flag(engine_, OPTIM_F32, 1);
    auto options = sized<optim_step>();
    options.overflow = static_cast<float*>(flag.data());
    for (uint64_t s = 1; s <= 3; ++s) {
      for (size_t tensor = 0; tensor < session.size(); ++tensor) {
        const Snapshot before = session.snapshot();
        session.random_grads(100 + s);
        Values grad = session.grad(tensor);
        if (grad.empty()) continue;
        grad[tensor % 2 == 0 ? grad.size() - 1 : 0] = s == 1 ? NAN : s == 2 ? INFINITY : -INFINITY;
        session.set_grad(tensor, grad);
        session.step(&options);
        EXPECT_EQ(flag.values(), Values{1}) << "tensor " << tensor;
        EXPECT_TRUE(equal(before, session.snapshot())) << "tensor " << tensor;
        flag.write(Values{0});
      }
      for (Session* each : {&plain, &session}) each->random_grads(s);
      plain.step();
      session.step(&options);
      EXPECT_EQ(flag.values(), Values{0});
      EXPECT_TRUE(equal(plain.snapshot(), session.snapshot())) << "step " << s;
    }
    flag.write(Values{1});
    session.step(&options);
    EXPECT_EQ(flag.values(), Values{1}) << "what another plan reported is not taken back";
    EXPECT_EQ(session.counter(), 4) << "nor does it skip this one";
  }

  Engine engine_{device()};
};

TEST_P(Overflow, SkipsTheWholeStep) { reports({rule().name, few_shapes(rule()), {variants(rule())[1].hypers}}); }

TEST_P(Overflow, In16Bits) {
  PlanSpec spec{rule().name, small_shapes(), {variants(rule())[1].hypers}};
  spec.param = OPTIM_BF16;
  spec.grad = OPTIM_F16;
  reports(spec);
}

OPTIM_TEST_PER_RULE(Overflow);

}  // namespace
}  // namespace optim_test
