// Sharpness-aware minimization: the perturbation against its definition, and the way back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "list_functions.h"
#include "misuse.h"
#include "sharpness.h"

namespace optim_test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Group {
  double rho = 0.05, adaptive = 0, perturb_eps = 1e-12, use_gc = 0, asam_eta = 0;
  std::vector<double> row() const { return {rho, adaptive, perturb_eps, use_gc, asam_eta}; }
};

std::vector<std::vector<double>> rows_of(const std::vector<Group>& groups) {
  std::vector<std::vector<double>> rows;
  for (const Group& group : groups) rows.push_back(group.row());
  return rows;
}

Values centralized(const Shape& shape, Values grad) {
  if (shape.size() < 2 || grad.empty()) return grad;
  const size_t length = grad.size() / static_cast<size_t>(shape[0]);
  for (size_t begin = 0; begin < grad.size(); begin += length) {
    double mean = 0;
    for (size_t i = 0; i < length; ++i) mean += grad[begin + i] / static_cast<double>(length);
    for (size_t i = 0; i < length; ++i) grad[begin + i] -= mean;
  }
  return grad;
}

// The perturbed parameters by definition; tensors without a gradient stay.
std::vector<Values> perturbed(const Session& session, const std::vector<Group>& groups) {
  const auto group_of = [&](size_t i) -> const Group& {
    return groups[session.spec().group_of.empty() ? 0 : static_cast<size_t>(session.spec().group_of[i])];
  };
  std::vector<Values> moved, steps(session.size());
  double sum = 0;
  for (size_t i = 0; i < session.size(); ++i) {
    moved.push_back(session.param(i));
    if (session.absent(i)) continue;
    const Group& group = group_of(i);
    const Values grad =
        group.use_gc != 0 ? centralized(session.spec().tensors[i].shape, session.grad(i)) : session.grad(i);
    for (size_t e = 0; e < grad.size(); ++e) {
      const double t = group.adaptive != 0 ? std::fabs(moved[i][e]) + group.asam_eta : 1;
      steps[i].push_back(t * t * grad[e]);
      sum += t * grad[e] * t * grad[e];
    }
  }
  for (size_t i = 0; i < session.size(); ++i) {
    for (size_t e = 0; e < steps[i].size(); ++e) {
      moved[i][e] += group_of(i).rho / (std::sqrt(sum) + group_of(i).perturb_eps) * steps[i][e];
    }
  }
  return moved;
}

class SharpnessTest : public PerDevice {
 protected:
  // All ranks, several tiles, nothing at all; three groups that differ in everything.
  static PlanSpec spec(int32_t dtype = OPTIM_F32) {
    PlanSpec spec{"sgd", {{{}}, {{7}}, {{5, 3}}, {{4, 3, 5}}, {{0, 3}}, {{3, 4999}}, {{9001}}, {{2, 3, 2, 2, 2}}}};
    spec.hypers = {{}, {}, {}};
    spec.group_of = {0, 1, 2, 0, 1, 2, 1, 0};
    spec.param = spec.grad = dtype;
    spec.state = dtype == OPTIM_F64 ? OPTIM_F64 : OPTIM_F32;
    return spec;
  }
  static std::vector<Group> groups() {
    Group plain, asam, centred;
    plain.rho = 30;  // far enough for bf16
    asam.rho = 60, asam.adaptive = 1, asam.asam_eta = 0.01;
    centred.rho = 40, centred.use_gc = 1;
    return {plain, asam, centred};
  }

  static std::vector<Bytes> params(Session& session) {
    std::vector<Bytes> all;
    for (size_t i = 0; i < session.size(); ++i) all.push_back(session.param_buffer(i).bytes());
    return all;
  }
  static std::vector<Bytes> grads(Session& session) {
    std::vector<Bytes> all;
    for (size_t i = 0; i < session.size(); ++i) all.push_back(session.grad_buffer(i).bytes());
    return all;
  }

  // Random parameters and gradients, perturbed once.
  std::vector<Bytes> run(Engine& engine, const PlanSpec& spec, const std::vector<Group>& groups,
                         std::vector<uint64_t> keys = {}) {
    Session session(engine, spec);
    session.set_keys(std::move(keys));
    session.random_params();
    session.random_grads(2);
    Sharpness sharpness(engine, session, rows_of(groups));
    sharpness.perturb();
    return params(session);
  }

  Engine engine_{GetParam()};
};

TEST_P(SharpnessTest, PerturbsByDefinitionAndComesBackToTheBit) {
  for (int32_t dtype : kAllDtypes) {
    for (int64_t offset : {0, 1}) {
      SCOPED_TRACE(std::string(dtype_name(dtype)) + ", offset " + std::to_string(offset));
      PlanSpec wanted = spec(dtype);
      wanted.offset = offset;
      Session session(engine_, wanted);
      session.random_params();
      session.random_grads(2);
      session.set_absent(3, true);
      Sharpness sharpness(engine_, session, rows_of(groups()));
      const std::vector<Values> expected = perturbed(session, groups());
      const std::vector<Bytes> before = params(session), grads_before = grads(session);
      sharpness.perturb();
      EXPECT_EQ(grads(session), grads_before);
      const double tolerance = dtype == OPTIM_F64 ? 1e-14 : 2e-7 + roundoff(dtype);
      for (size_t i = 0; i < session.size(); ++i) {
        EXPECT_LE(distance(session.param(i), expected[i]), tolerance * norm(expected[i])) << "tensor " << i;
        if (i == 3 || session.param(i).empty()) {
          EXPECT_EQ(params(session)[i], before[i]);
        } else {
          EXPECT_NE(params(session)[i], before[i]);
          EXPECT_EQ(sharpness.old(i).bytes(), before[i]);
        }
      }
      session.set_absent(3, false);  // the gradients of the second step have nothing to do with the way back
      session.set_absent(1, true);
      sharpness.restore();
      EXPECT_EQ(params(session), before);
    }
  }
}

// Signed zeros, subnormals, infinities and the payloads of NaN come back too.
TEST_P(SharpnessTest, EveryNumberComesBack) {
  for (int32_t dtype : {OPTIM_F32, OPTIM_F16, OPTIM_BF16}) {
    SCOPED_TRACE(dtype_name(dtype));
    TensorList values(engine_, {{6}}, dtype), grads(engine_, {{6}}, dtype), old(engine_, {{6}}, dtype);
    const Bytes before = encode(dtype, {0.0, -0.0, 6e-8, -1e-40, kInfinity, -kInfinity});
    values[0].write(before);
    grads[0].write(random_values(1, 6));
    check(optim_sam_perturb(engine_, 1, values.views(), grads.views(), old.views(), 0.5, 0, 0, 0, 0));
    EXPECT_NE(values[0].bytes(), before);
    check(optim_sam_restore(engine_, 1, values.views(), old.views()));
    EXPECT_EQ(values[0].bytes(), before);
  }
}

TEST_P(SharpnessTest, EveryPatternComesBack) {
  const int64_t patterns = 65536;
  for (int32_t dtype : {OPTIM_F16, OPTIM_BF16, OPTIM_F32, OPTIM_F64}) {
    SCOPED_TRACE(dtype_name(dtype));
    TensorList values(engine_, {{patterns}}, dtype), grads(engine_, {{patterns}}, dtype), old(engine_, {{patterns}}, dtype);
    Bytes before;  // the pattern above, ones below
    for (int64_t bits = 0; bits < patterns; ++bits) {
      before.insert(before.end(), static_cast<size_t>(element_size(dtype) - 2), 0xff);
      before.push_back(static_cast<unsigned char>(bits & 255));
      before.push_back(static_cast<unsigned char>(bits >> 8));
    }
    values[0].write(before);
    grads[0].write(random_values(1, patterns));
    check(optim_sam_perturb(engine_, 1, values.views(), grads.views(), old.views(), 0.5, 0, 0, 0, 0));
    EXPECT_NE(values[0].bytes(), before);
    EXPECT_TRUE(old[0].bytes() == before);
    check(optim_sam_restore(engine_, 1, values.views(), old.views()));
    EXPECT_TRUE(values[0].bytes() == before);
  }
}

TEST_P(SharpnessTest, GradientsOfZeroMoveNothing) {
  for (double eps : {1e-12, 0.0}) {
    for (double adaptive : {0.0, 1.0}) {
      Session session(engine_, spec());
      session.random_params();
      std::vector<Group> all = groups();
      for (Group& group : all) group.perturb_eps = eps, group.adaptive = adaptive;
      Sharpness sharpness(engine_, session, rows_of(all));
      const std::vector<Bytes> before = params(session);
      sharpness.perturb();
      EXPECT_EQ(params(session), before);
    }
  }
}

// The way back needs only the saved parameters: it neither looks at the gradients nor at where the parameters went.
TEST_P(SharpnessTest, ComesBackFromNowhere) {
  Session session(engine_, spec(OPTIM_BF16));
  session.random_params();
  session.random_grads(2);
  Sharpness sharpness(engine_, session, rows_of(groups()));
  const std::vector<Bytes> before = params(session);
  sharpness.perturb();
  for (size_t i = 0; i < session.size(); ++i) {
    const Values wrong(static_cast<size_t>(session.grad_buffer(i).count()), kNan);
    session.grad_buffer(i).write(wrong);
    session.param_buffer(i).write(wrong);
  }
  sharpness.restore();
  EXPECT_EQ(params(session), before);
}

TEST_P(SharpnessTest, ThreadsDoNotMatter) {
  if (GetParam() != OPTIM_CPU) return;
  Engine one(OPTIM_CPU, 1);
  for (int32_t dtype : {OPTIM_F32, OPTIM_BF16}) {
    const std::vector<Bytes> expected = run(one, spec(dtype), groups());
    for (int32_t threads : {2, 3, 8}) {
      Engine engine(OPTIM_CPU, threads);
      EXPECT_EQ(run(engine, spec(dtype), groups()), expected) << threads << " threads";
    }
  }
}

TEST_P(SharpnessTest, OrderMattersOnlyToRounding) {
  const PlanSpec forward = spec(OPTIM_F64);
  PlanSpec backward = forward;
  std::reverse(backward.tensors.begin(), backward.tensors.end());
  std::reverse(backward.group_of.begin(), backward.group_of.end());
  std::vector<uint64_t> keys;
  for (size_t i = forward.tensors.size(); i > 0; --i) keys.push_back(i - 1);
  std::vector<Bytes> expected = run(engine_, forward, groups()), found = run(engine_, backward, groups(), keys);
  std::reverse(found.begin(), found.end());
  for (size_t i = 0; i < found.size(); ++i) {
    const Values a = decode(OPTIM_F64, found[i]), b = decode(OPTIM_F64, expected[i]);
    EXPECT_LE(distance(a, b), 1e-14 * norm(b)) << "tensor " << i;
  }
}

TEST_P(SharpnessTest, RadiusIsLive) {
  Session session(engine_, spec(OPTIM_F64));
  session.random_params();
  session.random_grads(2);
  std::vector<Group> all = groups();
  Sharpness sharpness(engine_, session, rows_of(all));
  sharpness.perturb();
  sharpness.restore();
  all[1].rho = 0.125;
  check(optim_plan_set_hypers(sharpness.perturbing(), 1, &all[1].rho, 1));
  const std::vector<Values> expected = perturbed(session, all);
  sharpness.perturb();
  for (size_t i = 0; i < session.size(); ++i) {
    EXPECT_LE(distance(session.param(i), expected[i]), 1e-14 * norm(expected[i])) << "tensor " << i;
  }
}

// What the specification's cost line says: norm 1 read (2 adaptive), perturb 2 reads and 2 writes, restore 1 and 1.
TEST_P(SharpnessTest, BytesMoved) {
  PlanSpec wanted{"sam_perturb", {{{1000}}}, {Group{}.row()}};
  uint64_t bytes = 0;
  for (uint64_t adaptive : {0u, 1u}) {
    wanted.hypers[0][1] = static_cast<double>(adaptive);
    const Session session(engine_, wanted);
    check(optim_plan_bytes_per_step(session.plan(), &bytes));
    EXPECT_EQ(bytes, (1 + adaptive + 2 + 2) * 4000);
  }
  wanted.rule = "sam_restore";
  wanted.hypers = {{}};
  const Session session(engine_, wanted);
  check(optim_plan_bytes_per_step(session.plan(), &bytes));
  EXPECT_EQ(bytes, 2u * 4000);
}

TEST_P(SharpnessTest, Misuse) {
  const std::vector<Shape> shapes{{4, 3}, {6}};
  TensorList values(engine_, shapes, OPTIM_F32), grads(engine_, shapes, OPTIM_F32), old(engine_, shapes, OPTIM_F32);
  for (size_t i = 0; i < shapes.size(); ++i) {
    values[i].write(random_values(i, numel(shapes[i])));
    grads[i].write(random_values(9 + i, numel(shapes[i])));
  }
  const std::vector<Bytes> before = values.bytes(), grads_before = grads.bytes(), old_before = old.bytes();
  const auto perturb = [&](const optim_tensor* p, const optim_tensor* g, const optim_tensor* o) {
    return optim_sam_perturb(engine_, 2, p, g, o, 0.05, 0, 0, 0, 0);
  };
  const optim_tensor *p = values.views(), *g = grads.views(), *o = old.views();
  EXPECT_TRUE(refused(optim_sam_perturb(nullptr, 2, p, g, o, 0.05, 0, 0, 0, 0), {"engine"}));
  EXPECT_TRUE(refused(optim_sam_perturb(engine_, -1, p, g, o, 0.05, 0, 0, 0, 0), {"count", "-1"}));
  EXPECT_TRUE(refused(perturb(nullptr, g, o), {"params", "NULL"}));
  EXPECT_TRUE(refused(perturb(p, nullptr, o), {"grads", "NULL"}));
  EXPECT_TRUE(refused(perturb(p, g, nullptr), {"old_params", "NULL"}));
  EXPECT_TRUE(refused(perturb(p, p, o), {"grads[0]", "overlap"}));
  EXPECT_TRUE(refused(perturb(p, g, p), {"overlap"}));
  EXPECT_TRUE(refused(perturb(p, g, g), {"overlap"}));
  for (double bad : {-1.0, kNan, kInfinity}) {
    EXPECT_TRUE(refused(optim_sam_perturb(engine_, 2, p, g, o, bad, 0, 0, 0, 0), {"rho"})) << bad;
    EXPECT_TRUE(refused(optim_sam_perturb(engine_, 2, p, g, o, 0.05, 0, bad, 0, 0), {"perturb_eps"})) << bad;
    EXPECT_TRUE(refused(optim_sam_perturb(engine_, 2, p, g, o, 0.05, 0, 0, 0, bad), {"asam_eta"})) << bad;
  }
  EXPECT_TRUE(refused(optim_sam_perturb(engine_, 2, p, g, o, 0.05, 2, 0, 0, 0), {"adaptive", "2"}));
  EXPECT_TRUE(refused(optim_sam_perturb(engine_, 2, p, g, o, 0.05, 0, 0, -1, 0), {"use_gc", "-1"}));
  const auto expect_refused = [&](optim_tensor& view, const std::function<void(optim_tensor&)>& spoil,
                                  const std::vector<std::string>& words) {
    const optim_tensor good = view;
    spoil(view);
    EXPECT_TRUE(refused(perturb(p, g, o), words));
    view = good;
  };
  expect_refused(old.view(1), [](optim_tensor& t) { t.dtype = OPTIM_BF16; }, {"old_params[1]", "BF16", "F32"});
  expect_refused(old.view(0), [](optim_tensor& t) { t.shape[0] = 3; }, {"old_params[0]", "shape"});
  expect_refused(old.view(0), [](optim_tensor& t) { t.data = nullptr; }, {"old_p", "NULL"});
  expect_refused(grads.view(1), [](optim_tensor& t) { t.data = nullptr; }, {"grads[1]", "NULL"});
  expect_refused(grads.view(1), [](optim_tensor& t) { t.dtype = OPTIM_F64; }, {"F64"});
  EXPECT_EQ(values.bytes(), before);
  EXPECT_EQ(grads.bytes(), grads_before);
  EXPECT_EQ(old.bytes(), old_before);
}

OPTIM_TEST_PER_DEVICE(SharpnessTest);

}  // namespace
}  // namespace optim_test
