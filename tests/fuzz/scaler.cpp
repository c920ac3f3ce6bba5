// Loss scaling around random plans: gradients overflow at random, and the state moves as its rule says. Other cases
// merge the gradients of several tasks (pcgrad.cpp).
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "draw_plan.h"
#include "misuse.h"

namespace optim_fuzz {
namespace {

using Options = optim_loss_scale_options;
using State = optim_loss_scale;

Options draw_options(Random& random, bool tame) {
  auto o = sized<Options>();
  const bool fairseq = random.chance(0.5);
  o.rule = fairseq ? OPTIM_LOSS_SCALE_FAIRSEQ : OPTIM_LOSS_SCALE_AMP;
  o.init_scale = tame ? std::ldexp(1, static_cast<int>(random.between(0, 16)))
                      : random.pick(Values{0, FLT_MIN, 1e-30, 1, 3.7, 1e30, FLT_MAX});
  if (random.chance(0.7)) o.growth_factor = tame ? random.real(1.1, 4) : random.pick(Values{0, 1.0001, 2, 1e20, 1e300});
  o.growth_interval = random.between(0, 6);
  if (!fairseq) {
    if (random.chance(0.7)) o.backoff_factor = random.pick(Values{random.real(0.01, 0.99), 1e-300, 0.999});
    return o;
  }
  o.tolerance = random.pick(Values{0, random.real(0, 1), 1});
  o.threshold = random.pick(Values{0, random.real(0, 100)});
  o.min_scale = random.pick(Values{0, -1, random.real(0, 10)});
  return o;
}

// One thing that is out of range.
Options broken(Random& random, Options o) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  const int64_t way = random.between(0, 7);
  const bool fairseq = o.rule == OPTIM_LOSS_SCALE_FAIRSEQ;
  if (way == 0) o.rule = random.pick(std::vector<int32_t>{-1, 2});
  if (way == 1) o.reserved = 1;
  if (way == 2) o.init_scale = random.pick(Values{-1, nan, infinity, FLT_MIN / 2, 1e39});
  if (way == 3) o.growth_factor = random.pick(Values{1, -2, nan, infinity});
  if (way == 4) o.growth_interval = -random.between(1, 9);
  if (way == 5) o.backoff_factor = fairseq ? 0.5 : random.pick(Values{1, -0.5, nan, infinity});
  if (way == 6) o.tolerance = fairseq ? random.pick(Values{-0.1, 1.1, nan}) : 0.5;
  if (way == 7) o.min_scale = fairseq ? random.pick(Values{-2, nan, infinity}) : 1;
  return o;
}

// Stays a normal float, or where it was.
float rescaled(float scale, double factor) {
  const double next = static_cast<double>(scale) * factor;
  if (next > static_cast<double>(FLT_MAX)) return scale;
  return std::max(static_cast<float>(next), FLT_MIN);
}

double or_default(double value, double otherwise) { return value == 0 ? otherwise : value; }

void expect_moved(const Options& o, const State& before, const State& after) {
  const bool overflowed = before.overflow != 0;
  const double growth = or_default(o.growth_factor, 2);
  const int64_t interval = o.growth_interval == 0 ? 2000 : o.growth_interval;
  EXPECT_EQ(after.overflow, 0);
  EXPECT_TRUE(std::isnormal(after.scale) && after.scale > 0) << after.scale;
  if (o.rule == OPTIM_LOSS_SCALE_AMP) {
    const bool grows = !overflowed && before.growth_tracker + 1 >= interval;
    const double factor = overflowed ? or_default(o.backoff_factor, 0.5) : grows ? growth : 1;
    EXPECT_EQ(after.scale, rescaled(before.scale, factor));
    EXPECT_EQ(after.growth_tracker, overflowed || grows ? 0 : before.growth_tracker + 1);
    EXPECT_EQ(after.failed, 0);
    return;
  }
  EXPECT_EQ(after.iteration, before.iteration + 1);
  EXPECT_GE(after.failed, before.failed) << "until somebody has seen it";
  if (!overflowed) {
    const bool grows = (before.iteration - before.last_overflow) % interval == 0;
    EXPECT_EQ(after.scale, grows ? rescaled(before.scale, growth) : before.scale);
    EXPECT_EQ(after.failed, before.failed);
    return;
  }
  EXPECT_EQ(after.last_overflow, before.iteration);
  const double share =
      static_cast<double>(before.overflows + 1) / static_cast<double>(before.iteration - before.last_rescale);
  float expected = before.scale;
  if (share >= o.tolerance) {
    const auto threshold = static_cast<float>(o.threshold);
    expected = std::max(rescaled(before.scale, 1 / growth), std::max(threshold, FLT_MIN));
    EXPECT_EQ(after.overflows, 0);
    EXPECT_EQ(after.last_rescale, before.iteration);
  } else {
    EXPECT_EQ(after.overflows, before.overflows + 1);
  }
  if (share >= o.tolerance && expected <= (o.min_scale == -1 ? 0 : or_default(o.min_scale, 0x1p-5))) {
    expected = before.scale;
    EXPECT_EQ(after.failed, 1);
  }
  EXPECT_EQ(after.scale, expected);
}

// A state on a device.
class Scale {
 public:
  Scale(Random& random, Engine& engine, const Options& options)
      : random_(random),
        engine_(engine),
        options_(options),
        buffer_(engine, OPTIM_F64, sizeof(State) / sizeof(double)) {
    check(optim_loss_scale_init(engine, &options_, state()));
  }

  State* state() const { return static_cast<State*>(buffer_.data()); }
  State get() const {
    State host;
    check(optim_buffer_copy(engine_, &host, state(), sizeof host));
    return host;
  }
  void report() {
    State host = get();
    host.overflow = 1;
    check(optim_buffer_copy(engine_, state(), &host, sizeof host));
  }
  void update() {
    const State before = get();
    const Options wrong = broken(random_, options_);
    EXPECT_TRUE(refused(optim_loss_scale_update(engine_, &wrong, state()), {"options"}));
    EXPECT_TRUE(refused(optim_loss_scale_init(engine_, &wrong, state()), {"options"}));
    const State same = get();
    EXPECT_EQ(std::memcmp(&before, &same, sizeof before), 0) << "a refused call changed something";
    check(optim_loss_scale_update(engine_, &options_, state()));
    expect_moved(options_, before, get());
  }

 private:
  Random& random_;
  Engine& engine_;
  Options options_;
  Buffer buffer_;
};

bool overflows(const Session& session) {
  for (size_t i = 0; i < session.size(); ++i) {
    const Values grad = session.grad(i);
    if (!session.absent(i) && std::any_of(grad.begin(), grad.end(), [](double g) { return !std::isfinite(g); }))
      return true;
  }
  return false;
}

// The state alone: long sequences, and extreme numbers.
void sequence(Random& random, Engine& engine) {
  Scale scale(random, engine, draw_options(random, false));
  const double share = random.real(0, 1);
  for (int64_t n = random.between(1, 100); n > 0; --n) {
    if (random.chance(share)) scale.report();
    scale.update();
  }
}

// Two plans under one scale: a plan whose own gradients overflow stays as it is, the other steps.
void training(Random& random, Engine& engine) {
  Scale scale(random, engine, draw_options(random, true));
  std::vector<std::unique_ptr<Session>> sessions;
  for (int64_t n = random.between(1, 2); n > 0; --n) {
    PlanSpec spec = draw_plan(random, 500);
    optim_plan* plan = nullptr;
    if (create_plan(engine, spec, &plan) != OPTIM_OK) continue;
    optim_plan_free(plan);
    sessions.push_back(std::make_unique<Session>(engine, std::move(spec)));
    sessions.back()->start(random.next());
  }
  auto options = sized<optim_step>();
  options.grad_scale = &scale.state()->scale;
  options.overflow = &scale.state()->overflow;
  for (int64_t n = random.between(1, 6); n > 0; --n) {
    bool any = false;
    for (const auto& session : sessions) {
      SCOPED_TRACE(describe(session->spec()));
      session->random_grads(random.next());
      for (size_t i = 0; i < session->size(); ++i) {
        Values grad = session->grad(i);
        if (random.chance(0.15)) spoil(random, grad);
        session->set_grad(i, grad);
        session->set_absent(i, random.chance(0.1));
      }
      const Snapshot before = session->snapshot();
      session->step(&options);
      check(optim_engine_synchronize(engine));
      const bool overflowed = overflows(*session);
      any = any || overflowed;
      EXPECT_EQ(scale.get().overflow, any ? 1 : 0);
      const Snapshot after = session->snapshot();
      if (overflowed) {
        EXPECT_TRUE(equal(before, after)) << "a step that overflowed";
      }
      for (size_t i = 0; i < session->size() && !overflowed; ++i) {
        const int64_t steps = after.steps[i] - before.steps[i];
        EXPECT_TRUE(steps == 1 || session->absent(i) || session->grad(i).empty())
            << "tensor " << i << " made " << steps << " steps";
      }
    }
    scale.update();
  }
}

}  // namespace

void scaler(Random& random, const Settings& settings) {
  if (random.chance(0.4)) return pcgrad(random, settings);
  Engine engine(random.pick(devices()));
  random.chance(0.5) ? sequence(random, engine) : training(random, engine);
}

}  // namespace optim_fuzz
