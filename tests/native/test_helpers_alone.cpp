// The stand-alone helpers: storage types, and the edges that their definitions name.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "list_functions.h"

namespace optim_test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class Helpers : public PerDevice {
 protected:
  // Shapes of all ranks with odd lengths, one longer than any tile, some empty.
  const std::vector<Shape> shapes_{{},        {1},    {7},   {0}, {5, 3}, {1, 9}, {4, 3, 5}, {2, 3, 2, 2, 2},
                                   {3, 4999}, {0, 3}, {9001}};

  std::vector<Values> random(uint64_t seed, int32_t dtype, bool positive = false) const {
    std::vector<Values> all;
    for (const Shape& shape : shapes_) {
      all.push_back(round_to(dtype, random_values(seed++, numel(shape))));
      if (positive) {
        for (double& value : all.back()) value = std::fabs(value);
      }
    }
    return all;
  }

  Engine engine_{GetParam()};
};

TEST_P(Helpers, EveryDtypeAgreesWithDouble) {
  Engine cpu;
  for (const ListFunction& f : list_functions()) {
    for (int32_t dtype : kAllDtypes) {
      for (int64_t offset : {0, 1}) {
        SCOPED_TRACE(f.name + " in " + dtype_name(dtype) + ", offset " + std::to_string(offset));
        const std::vector<Values> a = random(1, dtype);
        const std::vector<Values> b = random(100, dtype, f.other_positive);
        TensorList changed(engine_, shapes_, dtype, offset), other(engine_, shapes_, dtype, offset);
        TensorList expected(cpu, shapes_, OPTIM_F64), expected_other(cpu, shapes_, OPTIM_F64);
        changed.write(a), expected.write(a);
        other.write(b), expected_other.write(b);
        check(f.call(engine_, changed.count(), changed.views(), f.pairs ? other.views() : nullptr));
        check(f.call(cpu, expected.count(), expected.views(), f.pairs ? expected_other.views() : nullptr));
        const double tolerance = dtype == OPTIM_F64 ? 1e-13 : 5e-7 + 2 * roundoff(dtype);
        for (size_t i = 0; i < shapes_.size(); ++i) {
          const Values reference = expected[i].values();
          const double bound = tolerance * (norm(reference) + norm(a[i]));
          EXPECT_LE(distance(changed[i].values(), reference), bound) << to_string(shapes_[i]);
          if (f.other_changes) {
            EXPECT_LE(distance(other[i].values(), expected_other[i].values()), bound);
          } else {
            EXPECT_EQ(other[i].values(), b[i]) << "an input was changed";
          }
        }
      }
    }
  }
}

TEST_P(Helpers, NothingIsAllowed) {
  for (const ListFunction& f : list_functions()) {
    EXPECT_EQ(f.call(engine_, 0, nullptr, nullptr), OPTIM_OK) << f.name << ": " << optim_last_error();
  }
}

TEST_P(Helpers, ParametersAndGradientsOfDifferentDtypes) {
  const std::vector<Shape> shapes{{5, 3}, {7}};
  TensorList params(engine_, shapes, OPTIM_F32), grads(engine_, shapes, OPTIM_BF16), wide(engine_, shapes, OPTIM_F32);
  for (size_t i = 0; i < shapes.size(); ++i) {
    params[i].write(random_values(i, numel(shapes[i])));
    grads[i].write(random_values(i + 9, numel(shapes[i])));
    wide[i].write(grads[i].values());
  }
  check(optim_agc(engine_, 2, params.views(), grads.views(), 0.1, 0, 0));
  check(optim_agc(engine_, 2, params.views(), wide.views(), 0.1, 0, 0));
  for (size_t i = 0; i < shapes.size(); ++i) {
    EXPECT_EQ(grads[i].values(), round_to(OPTIM_BF16, wide[i].values()));
  }
}

TEST_P(Helpers, ConstantRowsCentreToZero) {
  for (int32_t dtype : kAllDtypes) {
    for (double value : {0.1, 1.0 / 3, -7e-5, 6e4}) {
      const std::vector<Shape> shapes{{2, 1}, {3, 7}, {2, 3, 11}, {2, 5003}};
      TensorList grads(engine_, shapes, dtype);
      for (size_t i = 0; i < shapes.size(); ++i) grads[i].write(Values(static_cast<size_t>(numel(shapes[i])), value));
      check(optim_centralize(engine_, grads.count(), grads.views(), 0));
      for (size_t i = 0; i < shapes.size(); ++i) {
        EXPECT_EQ(norm(grads[i].values()), 0) << value << " in " << dtype_name(dtype) << " " << to_string(shapes[i]);
      }
    }
  }
}

TEST_P(Helpers, CentralizeLeavesVectorsAlone) {
  const std::vector<Shape> shapes{{}, {1}, {9}};
  const std::vector<Shape> kernels_only{{4, 3}, {4, 3, 2}};
  TensorList vectors(engine_, shapes, OPTIM_F32), matrices(engine_, kernels_only, OPTIM_F32);
  for (TensorList* list : {&vectors, &matrices}) {
    for (size_t i = 0; i < static_cast<size_t>(list->count()); ++i)
      (*list)[i].write(random_values(i, (*list)[i].count()));
  }
  const std::vector<Bytes> before = vectors.bytes(), matrices_before = matrices.bytes();
  check(optim_centralize(engine_, vectors.count(), vectors.views(), 0));
  check(optim_centralize(engine_, matrices.count(), matrices.views(), 1));
  EXPECT_EQ(vectors.bytes(), before);
  EXPECT_EQ(matrices.bytes(), matrices_before) << "conv_only concerns rank 4 and more";
}

// Rows of the gradient with norms 0, below, above the bound, and beside a zero row of the parameter.
TEST_P(Helpers, AgcClipsRowByRow) {
  TensorList params(engine_, {{5, 4}}, OPTIM_F32), grads(engine_, {{5, 4}}, OPTIM_F32);
  Values p(20, 0.5), g(20, 0.0);                           // rows of norm 1
  for (size_t e = 4; e < 8; ++e) g[e] = 0.03;              // norm 0.06 < 0.1
  for (size_t e = 8; e < 12; ++e) g[e] = -0.7;             // norm 1.4 > 0.1
  for (size_t e = 12; e < 16; ++e) p[e] = 0, g[e] = 0.25;  // norm 0.5; a zero row is taken as 1e-3
  for (size_t e = 16; e < 20; ++e) g[e] = 0.05;            // norm 0.1: not above the bound but on it, up to rounding
  params[0].write(p);
  grads[0].write(g);
  check(optim_agc(engine_, 1, params.views(), grads.views(), 0.1, 1e-3, 1e-6));
  const Values r = grads[0].values();
  const Values g32 = round_to(OPTIM_F32, g);
  for (size_t e = 0; e < 8; ++e) EXPECT_EQ(r[e], g32[e]) << "an unclipped row changed";
  for (size_t e = 8; e < 12; ++e) EXPECT_NEAR(r[e], -0.05, 1e-8);
  for (size_t e = 12; e < 16; ++e) EXPECT_NEAR(r[e], 0.5e-4, 1e-11);
  for (size_t e = 16; e < 20; ++e) EXPECT_NEAR(r[e], 0.05, 1e-8);
}

TEST_P(Helpers, NormalizationEdges) {
  const std::vector<Shape> shapes{{}, {1}, {2}, {1, 2}, {40}, {3, 4}};
  TensorList grads(engine_, shapes, OPTIM_F32);
  for (size_t i = 0; i < 4; ++i) grads[i].write(random_values(i, numel(shapes[i])));
  const std::vector<Bytes> before = grads.bytes();
  check(optim_normalize(engine_, grads.count(), grads.views(), 0, 0));
  EXPECT_EQ(grads.bytes(), before) << "at most two elements, and zeros, stay";
  check(optim_normalize(engine_, 1, &grads.view(5), 1, 0));
  EXPECT_EQ(grads.bytes(), before) << "rows of zeros stay";
}

TEST_P(Helpers, NormalizationOfShortRowsIsRefused) {
  TensorList grads(engine_, {{6, 1}}, OPTIM_F32);
  grads[0].write(random_values(1, 6));
  const Bytes before = grads[0].bytes();
  EXPECT_EQ(optim_normalize(engine_, 1, grads.views(), 1, 0), OPTIM_INVALID_ARGUMENT);
  EXPECT_EQ(grads[0].bytes(), before);
}

TEST_P(Helpers, NormLossLeavesZeroRowsAndPullsOthers) {
  TensorList params(engine_, {{3, 4}}, OPTIM_F64);
  Values p(12, 0.0);
  for (size_t e = 4; e < 8; ++e) p[e] = 2;      // norm 4
  for (size_t e = 8; e < 12; ++e) p[e] = 0.05;  // norm 0.1
  params[0].write(p);
  check(optim_norm_loss(engine_, 1, params.views(), 0.1, 0.5, 1e-8));
  const Values r = params[0].values();
  for (size_t e = 0; e < 4; ++e) EXPECT_EQ(r[e], 0);
  for (size_t e = 4; e < 8; ++e) EXPECT_NEAR(r[e], 2 * (1 - 0.1 * (1 - 0.25)), 1e-8);
  for (size_t e = 8; e < 12; ++e) EXPECT_NEAR(r[e], 0.05 * (1 + 0.1 * 9), 1e-7);
}

TEST_P(Helpers, ClipNorm) {
  TensorList grads(engine_, {{3}, {2, 2}, {0}}, OPTIM_F32);
  const auto reset = [&] {
    grads[0].write(Values{3, 0, 0});
    grads[1].write(Values{0, -4, 0, 0});
  };
  const struct { double type, norm; } cases[] = {{0, 5}, {1, 7}, {2, 5}, {kInfinity, 4}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.type);
    reset();
    const std::vector<Bytes> before = grads.bytes();
    double norm_before = -1;
    check(optim_clip_grad_norm(engine_, 3, grads.views(), c.norm + 1, c.type, 0, &norm_before));
    EXPECT_NEAR(norm_before, c.norm, 1e-6 * c.norm);
    EXPECT_EQ(grads.bytes(), before) << "a norm below the bound changes nothing";
    check(optim_clip_grad_norm(engine_, 3, grads.views(), 1, c.type, 0, nullptr));
    EXPECT_NEAR(grads[0].values()[0], 3 / c.norm, 2e-6);
    EXPECT_NEAR(grads[1].values()[1], -4 / c.norm, 2e-6);
  }
  grads[0].write(Values(3, 0.0));
  grads[1].write(Values(4, 0.0));
  double zero = -1;
  check(optim_clip_grad_norm(engine_, 3, grads.views(), 1, 2, 0, &zero));
  EXPECT_EQ(zero, 0);
  EXPECT_EQ(norm(grads[1].values()), 0);
}

// The sums of many and of extreme numbers neither overflow nor lose the small ones.
TEST_P(Helpers, NormsOfExtremeNumbers) {
  TensorList x(engine_, {{2, 4}, {30000}}, OPTIM_F32);
  x[0].write(Values{1e30, 1e30, 1e30, 1e30, 1e-30, 1e-30, 1e-30, 1e-30});
  Values norms(2, -1);
  check(optim_unit_norm(engine_, &x.view(0), norms.data()));
  EXPECT_NEAR(norms[0], 2e30, 1e24);
  EXPECT_NEAR(norms[1], 2e-30, 1e-36);
  x[1].write(Values(30000, 0.1));
  check(optim_unit_norm(engine_, &x.view(1), norms.data()));
  EXPECT_NEAR(norms[0], 0.1 * std::sqrt(30000.0), 1e-6);
}

TEST_P(Helpers, UnscaleReportsWhatIsNotFinite) {
  Buffer scale(engine_, OPTIM_F32, 1), found(engine_, OPTIM_F32, 1);
  scale.write(Values{8});
  const auto* scale_at = static_cast<const float*>(scale.data());
  auto* found_at = static_cast<float*>(found.data());
  for (int32_t dtype : kAllDtypes) {
    SCOPED_TRACE(dtype_name(dtype));
    TensorList grads(engine_, shapes_, dtype);
    const std::vector<Values> values = random(3, dtype);
    grads.write(values);
    check(optim_unscale(engine_, grads.count(), grads.views(), scale_at, found_at));
    for (size_t i = 0; i < shapes_.size(); ++i) {
      Values expected = values[i];
      for (double& value : expected) value /= 8;
      EXPECT_EQ(grads[i].values(), expected);
    }
    EXPECT_EQ(found.values()[0], 0);
    for (double bad : {kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN()}) {
      Values last = values.back();
      last[last.size() / 2] = bad;
      grads[shapes_.size() - 1].write(last);
      check(optim_unscale(engine_, grads.count(), grads.views(), scale_at, found_at));
      EXPECT_EQ(found.values()[0], 1) << bad;
      found.write(Values{0});
    }
  }
}

TEST_P(Helpers, StableDecayWithoutGradientsSoFar) {
  TensorList params(engine_, {{5}}, OPTIM_F32), moments(engine_, {{5}}, OPTIM_F32);
  params[0].write(random_values(1, 5));
  const Bytes before = params[0].bytes();
  double rms = -1;
  check(optim_stable_weight_decay(engine_, 1, params.views(), moments.views(), 0.1, 0.5, 0.99, 1, &rms));
  EXPECT_EQ(rms, 0);
  EXPECT_EQ(params[0].bytes(), before);
}

// Without an average the second moment is that of the step itself, whichever it is.
TEST_P(Helpers, StableDecayWithoutAverage) {
  for (int64_t step : {int64_t{1}, int64_t{1} << 40}) {
    TensorList params(engine_, {{2}}, OPTIM_F64), moments(engine_, {{2}}, OPTIM_F64);
    params[0].write(Values{1, -2});
    moments[0].write(Values{9, 7});
    double rms = -1;
    check(optim_stable_weight_decay(engine_, 1, params.views(), moments.views(), 0.1, 0.5, 0, step, &rms));
    EXPECT_EQ(rms, std::sqrt(8.0));
    EXPECT_LE(distance(params[0].values(), {1 - 0.05 / rms, -2 + 0.1 / rms}), 1e-15);
  }
}

TEST_P(Helpers, LookaheadEnds) {
  TensorList fast(engine_, {{5}}, OPTIM_F64), slow(engine_, {{5}}, OPTIM_F64);
  const Values f = random_values(1, 5), s = random_values(2, 5);
  fast[0].write(f), slow[0].write(s);
  check(optim_lookahead(engine_, 1, fast.views(), slow.views(), 0));
  EXPECT_EQ(fast[0].values(), s);
  EXPECT_EQ(slow[0].values(), s);
  fast[0].write(f);
  check(optim_lookahead(engine_, 1, fast.views(), slow.views(), 1));
  EXPECT_LE(distance(slow[0].values(), f), 1e-15 * norm(f));
  EXPECT_EQ(fast[0].values(), slow[0].values());
}

TEST_P(Helpers, ChannelsLastRowsAreTheSameRows) {
  const Shape shape{3, 4, 5, 2};
  Buffer rowwise(engine_, OPTIM_F64, numel(shape)), channels(engine_, OPTIM_F64, numel(shape));
  const Shape strides = channels_last(shape);
  const Values values = random_values(5, numel(shape));
  rowwise.write(values);
  channels.write(to_memory(shape, strides, values));
  const optim_tensor a = tensor_view(shape, OPTIM_F64, rowwise.data());
  const optim_tensor b = tensor_view(shape, OPTIM_F64, channels.data(), strides);
  check(optim_centralize(engine_, 1, &a, 0));
  check(optim_centralize(engine_, 1, &b, 0));
  EXPECT_LE(distance(to_logical(shape, strides, channels.values()), rowwise.values()), 1e-14 * norm(values));
  Values norms_a(3), norms_b(3);
  check(optim_unit_norm(engine_, &a, norms_a.data()));
  check(optim_unit_norm(engine_, &b, norms_b.data()));
  EXPECT_LE(distance(norms_a, norms_b), 1e-14);
}

// Also beside others, and however large the other sizes are.
TEST_P(Helpers, TensorsWithoutElementsCostNothing) {
  constexpr int64_t many = int64_t{1} << 32;
  const std::vector<Shape> shapes{{0}, {many, 0}, {many, 0, many}, {2, 3}, {0, many}};
  for (const ListFunction& f : list_functions()) {
    SCOPED_TRACE(f.name);
    TensorList changed(engine_, shapes, OPTIM_F32), other(engine_, shapes, OPTIM_F32);
    check(f.call(engine_, changed.count(), changed.views(), f.pairs ? other.views() : nullptr));
    check(f.call(engine_, 2, changed.views(), f.pairs ? other.views() : nullptr));
  }
  TensorList a(engine_, shapes, OPTIM_F32), b(engine_, shapes, OPTIM_F32), c(engine_, shapes, OPTIM_F32);
  Buffer scale(engine_, OPTIM_F32, 1), found(engine_, OPTIM_F32, 1);
  scale.write(Values{2});
  TensorList merged(engine_, shapes, OPTIM_F32);
  for (const int64_t count : {a.count(), int64_t{2}}) {
    check(optim_unscale(engine_, count, a.views(), static_cast<float*>(scale.data()), static_cast<float*>(found.data())));
    check(optim_sam_perturb(engine_, count, a.views(), b.views(), c.views(), 0.05, 0, 0, 1, 0));
    check(optim_rademacher(engine_, count, a.views(), 1, 0));
    std::vector<optim_tensor> tasks(a.views(), a.views() + count);
    tasks.insert(tasks.end(), b.views(), b.views() + count);
    check(optim_pcgrad(engine_, 2, count, tasks.data(), merged.views(), nullptr, OPTIM_REDUCTION_MEAN));
  }
  double none = 5;
  check(optim_unit_norm(engine_, a.views(), &none));
  EXPECT_EQ(none, 0);
  TensorList matrices(engine_, {{0, 0}}, OPTIM_F64), roots(engine_, {{0, 0}}, OPTIM_F64);
  check(optim_inverse_root(engine_, 1, matrices.views(), roots.views(), 4, 1e-6, nullptr));
  check(optim_coupled_newton(engine_, 1, matrices.views(), roots.views(), 4, 10, 1e-6, nullptr, nullptr));
}

OPTIM_TEST_PER_DEVICE(Helpers);

}  // namespace
}  // namespace optim_test
