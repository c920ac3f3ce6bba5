// A helper inside a plan is the stand-alone helper followed by the plain rule.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "helper_settings.h"
#include "session.h"

namespace optim_test {
namespace {

class FusedHelpers : public PerRule {
 protected:
  PlanSpec spec_of(int32_t dtype) const {
    // No decay of the rule's own, so that its second moment does not depend on the parameter.
    const std::vector<double> row = with(rule(), with(rule(), rule().defaults(), "lr", 0.05), "momentum", 0.9);
    PlanSpec spec{rule().name,
                  few_shapes(rule()),
                  {without_own_helpers(rule(), with(rule(), with(rule(), row, "matrix_eps", 1), "weight_decay", 0))}};
    spec.param = spec.grad = spec.state = dtype;
    return spec;
  }

  double hyper(const Session& session, const std::string& name) const {
    return session.spec().hypers[0][static_cast<size_t>(rule().index_of(name))];
  }

  // The plain session makes one step, with the helpers of `h` called by hand around it.
  void step_by_hand(Session& plain, std::vector<Values>& slow, std::vector<Values>& slow_momentum,
                    const optim_helpers& h) {
    const int64_t count = static_cast<int64_t>(plain.size());
    const std::vector<optim_tensor> params = views(plain, &Session::param_buffer);
    const std::vector<optim_tensor> grads = views(plain, &Session::grad_buffer);
    if (h.clip_value > 0) check(optim_clip_grad_value(engine_, count, grads.data(), h.clip_value));
    if (h.clip_norm > 0) {
      check(
          optim_clip_grad_norm(engine_, count, grads.data(), h.clip_norm, h.clip_norm_type, h.clip_norm_eps, nullptr));
    }
    if (h.agc_clip_val > 0) {
      check(optim_agc(engine_, count, params.data(), grads.data(), h.agc_clip_val, h.agc_eps, h.agc_division_eps));
    }
    if (h.centralize != 0) check(optim_centralize(engine_, count, grads.data(), h.centralize_conv_only));
    if (h.normalize != 0) check(optim_normalize(engine_, count, grads.data(), h.normalize_channels, h.normalize_eps));
    if (h.stable_weight_decay > 0) decay_by_hand(plain, params, h);
    if (h.norm_loss_factor > 0) {
      check(optim_norm_loss(engine_, count, params.data(), hyper(plain, "lr"), h.norm_loss_factor, h.norm_loss_eps));
    }
    plain.step();
    if (h.lookahead_k > 0 && plain.counter() % h.lookahead_k == 0) blend_by_hand(plain, params, slow, slow_momentum, h);
  }

  // Stable decay divides by the second moment after the step, and acts before the step moves the parameter.
  void decay_by_hand(Session& plain, const std::vector<optim_tensor>& params, const optim_helpers& h) {
    const Snapshot before = plain.snapshot();
    plain.step();
    std::vector<std::unique_ptr<Buffer>> copies;
    std::vector<optim_tensor> moments;
    for (size_t i = 0; i < plain.size(); ++i) {
      const int slot = plain.slot(i, slot_of_role(rule(), "second_moment"));
      ASSERT_GE(slot, 0);
      const Buffer& state = plain.state_buffer(i, static_cast<size_t>(slot));
      copies.push_back(std::make_unique<Buffer>(engine_, state.dtype(), state.count()));
      copies.back()->write(state.bytes());
      moments.push_back(tensor_view(plain.spec().tensors[i].shape, state.dtype(), copies.back()->data()));
    }
    plain.restore(before);
    check(optim_stable_weight_decay(engine_, static_cast<int64_t>(params.size()), params.data(), moments.data(),
                                    hyper(plain, "lr"), h.stable_weight_decay, hyper(plain, "beta2"),
                                    before.steps[0] + 1, nullptr));
  }

  void blend_by_hand(Session& plain, const std::vector<optim_tensor>& params, std::vector<Values>& slow,
                     std::vector<Values>& slow_momentum, const optim_helpers& h) {
    for (size_t i = 0; i < plain.size(); ++i) {
      Buffer copy(engine_, plain.spec().param, numel(plain.spec().tensors[i].shape));
      copy.write(slow[i]);
      const optim_tensor view = tensor_view(plain.spec().tensors[i].shape, plain.spec().param, copy.data());
      check(optim_lookahead(engine_, 1, &params[i], &view, h.lookahead_alpha));
      slow[i] = copy.values();
      const int slot = plain.slot(i, slot_of_role(rule(), "first_moment"));
      if (h.lookahead_pullback == OPTIM_PULLBACK_NONE || slot < 0) continue;
      Values moment = plain.state(i, static_cast<size_t>(slot));
      for (size_t e = 0; e < moment.size(); ++e) {
        slow_momentum[i][e] = h.lookahead_alpha * moment[e] + (1 - h.lookahead_alpha) * slow_momentum[i][e];
        moment[e] = h.lookahead_pullback == OPTIM_PULLBACK_RESET ? 0 : slow_momentum[i][e];
      }
      plain.set_state(i, static_cast<size_t>(slot), moment);
    }
  }

  static std::vector<optim_tensor> views(Session& session, Buffer& (Session::*buffer)(size_t)) {
    std::vector<optim_tensor> all;
    for (size_t i = 0; i < session.size(); ++i) {
      Buffer& b = (session.*buffer)(i);
      all.push_back(tensor_view(session.spec().tensors[i].shape, b.dtype(), b.data()));
    }
    return all;
  }

  void agree(const optim_helpers& helpers, int32_t dtype) {
    PlanSpec spec = spec_of(dtype);
    Session plain(engine_, spec);
    spec.helpers = helpers;
    Session fused(engine_, spec);
    plain.start();
    fused.start();
    std::vector<Values> slow, slow_momentum;
    for (size_t i = 0; i < plain.size(); ++i) {
      slow.push_back(plain.param(i));
      slow_momentum.emplace_back(slow.back().size(), 0.0);
    }
    const std::vector<Values> initial = slow;
    // By hand every stage rounds the gradient or parameter to storage; fused none does.
    const double tolerance = (dtype == OPTIM_F64 ? 1e-12 : 4e-6) * (rule().shape == "matrix" ? 10 : 1);
    std::vector<std::vector<double>> largest(plain.size());  // averages may happen to cancel in the last step
    const uint64_t steps = helpers.lookahead_k > 0 ? 4 : 2;  // two blends, where there are any
    for (uint64_t s = 1; s <= steps; ++s) {
      plain.random_grads(s);
      fused.random_grads(s);
      step_by_hand(plain, slow, slow_momentum, helpers);
      fused.step();
      for (size_t i = 0; i < plain.size(); ++i) {
        const Values expected = plain.param(i);
        EXPECT_LE(distance(fused.param(i), expected), tolerance * (norm(expected) + norm(initial[i])))
            << "parameter " << i;
        largest[i].resize(plain.slots(i).size());
        for (size_t k = 0; k < plain.slots(i).size(); ++k) {
          if (plain.slots(i)[k].name == slot_of_role(rule(), "slow_params")) continue;  // the helper blends with it
          const Values state = plain.state(i, k);
          largest[i][k] = std::max(largest[i][k], norm(state));
          EXPECT_LE(distance(fused.state(i, k), state), 2 * tolerance * largest[i][k])
              << plain.slots(i)[k].name << " of tensor " << i << " in step " << s;
        }
      }
    }
  }

  Engine engine_{device()};
};

TEST_P(FusedHelpers, EachEqualsTheFunction) {
  std::vector<int32_t> dtypes{OPTIM_F32};
  if (device() == OPTIM_CPU) dtypes.push_back(OPTIM_F64);  // the stand-in for a GPU is slow
  for (const HelperSetting& helper : single_helpers(rule())) {
    for (int32_t dtype : dtypes) {
      SCOPED_TRACE(helper.name + " in " + dtype_name(dtype));
      agree(helper.helpers, dtype);
    }
  }
}

TEST_P(FusedHelpers, TogetherTheyActInOrder) {
  for (int32_t dtype : {OPTIM_F32, OPTIM_F64}) {
    SCOPED_TRACE(dtype_name(dtype));
    agree(all_helpers(rule()).helpers, dtype);
  }
}

// Settings that change no gradient leave the plain step, to the bit.
TEST_P(FusedHelpers, InactiveHelpersChangeNothing) {
  PlanSpec spec = spec_of(OPTIM_F32);
  Session plain(engine_, spec);
  spec.helpers.skip_nonfinite = 1;
  spec.helpers.clip_value = 1e30;
  spec.helpers.clip_norm = 1e30;
  spec.helpers.agc_clip_val = 1e30;
  Session helped(engine_, spec);
  for (Session* session : {&plain, &helped}) {
    session->start();
    session->train(1, 3);
  }
  EXPECT_TRUE(equal(plain.snapshot(), helped.snapshot()));
}

// A row without variation centres to exact zeros, so the step is that of a zero gradient.
TEST_P(FusedHelpers, ConstantRowsCentreToZero) {
  PlanSpec spec = spec_of(OPTIM_F32);
  spec.tensors = {{{5, 3}}, {{7, 33}}, {{2, 3, 2, 2, 2}}, {{6, 1}}};
  Session zero(engine_, spec);
  spec.helpers.centralize = 1;
  Session centred(engine_, spec);
  zero.start();
  centred.start();
  for (int s = 1; s <= 2; ++s) {
    for (size_t i = 0; i < spec.tensors.size(); ++i) {
      const Shape& shape = spec.tensors[i].shape;
      Values grad(static_cast<size_t>(numel(shape)));
      for (size_t e = 0; e < grad.size(); ++e) grad[e] = 0.1 * (1 + static_cast<double>(e * shape[0] / grad.size()));
      centred.set_grad(i, grad);
    }
    zero.step();
    centred.step();
  }
  EXPECT_TRUE(equal(zero.snapshot(), centred.snapshot()));
}

// What stable weight decay divides by is of all groups together, each with the correction of its own beta2.
TEST_P(FusedHelpers, StableDecayCorrectsTheSecondMomentOfEachGroup) {
  if (slot_of_role(rule(), "second_moment").empty() || rule().index_of("beta2") < 0) return;
  PlanSpec spec = spec_of(OPTIM_F64);
  spec.hypers.push_back(with(rule(), spec.hypers[0], "beta2", 0.5));
  for (size_t i = 0; i < spec.tensors.size(); ++i) spec.group_of.push_back(static_cast<int64_t>(i % 2));
  Session plain(engine_, spec);
  spec.helpers.stable_weight_decay = 0.3;
  Session fused(engine_, spec);
  plain.start();
  fused.start();
  const size_t beta2 = static_cast<size_t>(rule().index_of("beta2"));
  for (uint64_t s = 1; s <= 2; ++s) {
    plain.random_grads(s);
    fused.random_grads(s);
    const Snapshot before = plain.snapshot();
    plain.step();
    double sum = 0, count = 0;
    for (size_t i = 0; i < plain.size(); ++i) {
      const double debias = 1 - std::pow(spec.hypers[i % 2][beta2], static_cast<double>(s));
      for (double v : plain.state(i, static_cast<size_t>(plain.slot(i, slot_of_role(rule(), "second_moment"))))) {
        sum += v / debias;
        ++count;
      }
    }
    plain.restore(before);
    for (size_t i = 0; i < plain.size(); ++i) {
      Values param = plain.param(i);
      for (double& p : param) p *= 1 - hyper(plain, "lr") * 0.3 / std::sqrt(sum / count);
      plain.set_param(i, param);
    }
    plain.step();
    fused.step();
    for (size_t i = 0; i < plain.size(); ++i) {
      EXPECT_LE(distance(fused.param(i), plain.param(i)), 1e-12 * norm(plain.param(i))) << "parameter " << i;
    }
  }
}

// A rule's own centralization takes the place of the helper in the order of all helpers.
TEST_P(FusedHelpers, OwnCentralizationActsWhereTheHelperDoes) {
  if (rule().index_of("use_gc") < 0) return;
  for (int32_t channels : {0, 1}) {
    PlanSpec spec = spec_of(OPTIM_F32);
    spec.tensors = {{{7}}, {{5, 3}}, {{4, 3, 3, 3}}};
    spec.helpers.normalize = 1;
    spec.helpers.normalize_channels = channels;
    spec.helpers.centralize = 1;
    Session helped(engine_, spec);
    spec.helpers.centralize = 0;
    spec.hypers = {with(rule(), spec.hypers[0], "use_gc", 1)};
    Session own(engine_, spec);
    for (Session* session : {&helped, &own}) {
      session->start();
      session->train(1, 3);
    }
    EXPECT_TRUE(equal(helped.snapshot(), own.snapshot())) << "channels " << channels;
  }
}

// Normalization leaves tensors of at most two elements alone.
TEST_P(FusedHelpers, TinyTensorsAreNotNormalized) {
  PlanSpec spec = spec_of(OPTIM_F32);
  spec.tensors = {{{}}, {{1}}, {{2}}, {{1, 2}}, {{2, 1}}, {{0}}};
  Session plain(engine_, spec);
  spec.helpers.normalize = 1;
  Session normalized(engine_, spec);
  for (Session* session : {&plain, &normalized}) {
    session->start();
    session->train(1, 2);
  }
  EXPECT_TRUE(equal(plain.snapshot(), normalized.snapshot()));
}

// Lookahead by its period alone: an alpha of 0 stands for 0.5.
TEST_P(FusedHelpers, LookaheadAlphaHasADefault) {
  const auto train = [&](double alpha) {
    PlanSpec spec = spec_of(OPTIM_F32);
    spec.helpers.lookahead_k = 1;
    spec.helpers.lookahead_alpha = alpha;
    Session session(engine_, spec);
    session.start();
    const Snapshot before = session.snapshot();
    session.train(1, 8);  // a rule that rectifies begins later
    EXPECT_TRUE(session.snapshot().params != before.params) << alpha;
    return session.snapshot();
  };
  const Snapshot by_default = train(0);
  EXPECT_TRUE(equal(by_default, train(0.5)));
  EXPECT_TRUE(by_default.params != train(1).params);
}

// A rule's own centralization is the plan's: at the same place among the helpers, which is seen with normalization after it.
TEST_P(FusedHelpers, OwnCentralization) {
  if (rule().index_of("use_gc") < 0) return;
  PlanSpec spec = spec_of(OPTIM_F32);
  const std::vector<double> off = with(rule(), spec.hypers[0], "use_gc", 0);
  const std::vector<double> on = with(rule(), off, "use_gc", 1);
  const auto train = [&](const std::vector<double>& row, const optim_helpers& helpers) {
    spec.hypers = {row};
    spec.helpers = helpers;
    Session session(engine_, spec);
    session.start();
    session.train(1, 2);
    return session.snapshot();
  };
  for (const int32_t channels : {0, 1}) {
    auto helpers = sized<optim_helpers>();
    helpers.normalize = 1;
    helpers.normalize_channels = channels;
    const Snapshot own = train(on, helpers);
    EXPECT_FALSE(equal(own, train(off, helpers)));
    helpers.centralize = 1;
    EXPECT_TRUE(equal(own, train(off, helpers)));
    EXPECT_TRUE(equal(own, train(on, helpers))) << "together they are one";
  }
  if (rule().index_of("gc_conv_only") < 0) return;
  auto helpers = sized<optim_helpers>();
  const Snapshot own = train(with(rule(), on, "gc_conv_only", 1), helpers);
  EXPECT_FALSE(equal(own, train(on, helpers)));
  helpers.centralize = helpers.centralize_conv_only = 1;
  EXPECT_TRUE(equal(own, train(off, helpers)));
  EXPECT_TRUE(equal(own, train(on, helpers))) << "the plan's takes the place of the rule's";
}

OPTIM_TEST_PER_RULE(FusedHelpers);

}  // namespace
}  // namespace optim_test
