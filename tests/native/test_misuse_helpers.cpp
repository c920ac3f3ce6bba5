// Refused: the stand-alone helpers. Buffers stay as they were.
#include <gtest/gtest.h>

#include <limits>

#include "list_functions.h"
#include "misuse.h"

namespace optim_test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class MisuseHelpers : public PerDevice {
 protected:
  MisuseHelpers() {
    for (TensorList* list : {&changed_, &other_}) {
      for (size_t i = 0; i < shapes_.size(); ++i) (*list)[i].write(random_values(i, numel(shapes_[i])));
    }
    changed_before_ = changed_.bytes();
    other_before_ = other_.bytes();
  }
  void TearDown() override {
    EXPECT_EQ(changed_.bytes(), changed_before_) << "a refused call changed a buffer";
    EXPECT_EQ(other_.bytes(), other_before_) << "a refused call changed a buffer";
  }

  // Every list function with one thing wrong about view `index` of the changed list, which is then put back.
  void expect_view_refused(size_t index, const std::function<void(optim_tensor&)>& spoil,
                           const std::vector<std::string>& words) {
    optim_tensor& view = changed_.view(index);
    const optim_tensor good = view;
    spoil(view);
    for (const ListFunction& f : list_functions()) {
      EXPECT_TRUE(refused(f.call(engine_, 2, changed_.views(), other_.views()), words)) << f.name;
    }
    view = good;
  }

  const std::vector<Shape> shapes_{{4, 3}, {6}};
  Engine engine_{GetParam()};
  TensorList changed_{engine_, shapes_, OPTIM_F32};
  TensorList other_{engine_, shapes_, OPTIM_F32};
  std::vector<Bytes> changed_before_, other_before_;
};

TEST_P(MisuseHelpers, Nulls) {
  for (const ListFunction& f : list_functions()) {
    EXPECT_TRUE(refused(f.call(nullptr, 2, changed_.views(), other_.views()), {"engine"})) << f.name;
    EXPECT_TRUE(refused(f.call(engine_, 2, nullptr, other_.views()), {"NULL"})) << f.name;
    EXPECT_TRUE(refused(f.call(engine_, -1, changed_.views(), other_.views()), {"count", "-1"})) << f.name;
    if (f.pairs) {
      EXPECT_TRUE(refused(f.call(engine_, 2, changed_.views(), nullptr), {"NULL"})) << f.name;
    }
  }
  expect_view_refused(1, [](optim_tensor& t) { t.data = nullptr; }, {"[1]"});
}

TEST_P(MisuseHelpers, Views) {
  expect_view_refused(1, [](optim_tensor& t) { t.dtype = 9; }, {"[1]", "dtype", "9"});
  expect_view_refused(1, [](optim_tensor& t) { t.rank = -1; }, {"[1]", "rank", "-1"});
  expect_view_refused(1, [](optim_tensor& t) { t.rank = 9; }, {"[1]", "rank", "9"});
  expect_view_refused(0, [](optim_tensor& t) { t.shape[1] = -3; }, {"[0]", "shape[1]", "-3"});
  expect_view_refused(0, [](optim_tensor& t) { t.shape[0] = t.shape[1] = INT64_MAX; }, {"[0]", "shape"});
  expect_view_refused(1, [](optim_tensor& t) { t.dtype = 0; }, {"[1]", "dtype", "0"});
  expect_view_refused(0, [](optim_tensor& t) { t.strides[0] = 3, t.strides[1] = 1; }, {"[0]", "ROW_MAJOR"});
  const auto strided = [](optim_tensor& t, int64_t outer, int64_t inner) {
    t.layout = OPTIM_STRIDED;
    t.strides[0] = outer, t.strides[1] = inner;
  };
  expect_view_refused(0, [&](optim_tensor& t) { strided(t, 1, 4); }, {"[0]", "strides"});
  // Expanded tensors have fewer elements in memory than their shape says.
  expect_view_refused(0, [&](optim_tensor& t) { strided(t, 0, 1); }, {"[0]", "strides[0]", "0"});
  expect_view_refused(0, [&](optim_tensor& t) { strided(t, 1, 0); }, {"[0]", "strides"});
  expect_view_refused(0, [&](optim_tensor& t) { strided(t, 0, 0); }, {"[0]", "strides", "0"});
  expect_view_refused(0, [](optim_tensor& t) { t.size = 8; }, {"size", "8"});
  expect_view_refused(1, [](optim_tensor& t) { t.data = static_cast<char*>(t.data) + 1; }, {"[1]", "align"});
}

TEST_P(MisuseHelpers, ShapesMustAgree) {
  optim_tensor& view = other_.view(0);
  const optim_tensor good = view;
  const auto expect_refused = [&] {
    for (const ListFunction& f : list_functions()) {
      if (!f.pairs) continue;
      EXPECT_TRUE(refused(f.call(engine_, 2, changed_.views(), other_.views()), {"[0]"})) << f.name;
    }
    view = good;
  };
  view.shape[0] = 2;
  expect_refused();
  view.rank = 1;
  view.shape[0] = 12;
  expect_refused();
  view.shape[0] = 3, view.shape[1] = 4;
  expect_refused();
}

// Two ways to lie densely, neither of them row by row.
TEST_P(MisuseHelpers, StridesMustAgree) {
  const std::vector<Shape> shapes{{2, 3, 4, 5}};
  const Shape channels_last{60, 1, 15, 3}, columns_first{60, 20, 1, 4};
  const auto set = [](TensorList& list, const Shape& strides) {
    list.view(0).layout = OPTIM_STRIDED;
    std::copy(strides.begin(), strides.end(), list.view(0).strides);
  };
  for (const ListFunction& f : list_functions()) {
    if (!f.pairs) continue;
    TensorList changed(engine_, shapes, OPTIM_F32), other(engine_, shapes, OPTIM_F32);
    changed.write({random_values(1, 120)});
    other.write({random_values(2, 120)});
    set(changed, channels_last);
    const std::vector<Bytes> before = changed.bytes();
    for (const Shape& strides : {columns_first, Shape{60, 20, 5, 1}}) {
      set(other, strides);
      EXPECT_TRUE(refused(f.call(engine_, 1, changed.views(), other.views()), {"[0]", "strides"})) << f.name;
    }
    EXPECT_EQ(changed.bytes(), before);
    set(other, channels_last);
    EXPECT_EQ(f.call(engine_, 1, changed.views(), other.views()), OPTIM_OK) << f.name << ": " << optim_last_error();
  }
}

TEST_P(MisuseHelpers, OverlappingLists) {
  for (const ListFunction& f : list_functions()) {
    if (f.pairs) {
      EXPECT_TRUE(refused(f.call(engine_, 2, changed_.views(), changed_.views()), {"overlap"})) << f.name;
    }
    const optim_tensor twice[] = {changed_.view(1), changed_.view(1)};
    const optim_tensor others[] = {other_.view(1), other_.view(1)};
    EXPECT_TRUE(refused(f.call(engine_, 2, twice, others), {"overlap"})) << f.name;
  }
}

TEST_P(MisuseHelpers, Numbers) {
  const int64_t n = 2;
  const optim_tensor* a = changed_.views();
  const optim_tensor* b = other_.views();
  for (double bad : {kNan, -1.0}) {
    EXPECT_TRUE(refused(optim_clip_grad_value(engine_, n, a, bad), {"clip_value"})) << bad;
    double norm = 77;
    EXPECT_TRUE(refused(optim_clip_grad_norm(engine_, n, a, bad, 2, 0, &norm), {"max_norm"})) << bad;
    EXPECT_TRUE(refused(optim_clip_grad_norm(engine_, n, a, 1, bad, 0, &norm), {"norm_type"})) << bad;
    EXPECT_TRUE(refused(optim_clip_grad_norm(engine_, n, a, 1, 2, bad, &norm), {"eps"})) << bad;
    EXPECT_EQ(norm, 77);
    EXPECT_TRUE(refused(optim_agc(engine_, n, b, a, bad, 0, 0), {"clip_val"})) << bad;
    EXPECT_TRUE(refused(optim_agc(engine_, n, b, a, 0.1, bad, 0), {"agc_eps"})) << bad;
    EXPECT_TRUE(refused(optim_agc(engine_, n, b, a, 0.1, 0, bad), {"division_eps"})) << bad;
    EXPECT_TRUE(refused(optim_normalize(engine_, n, a, 0, bad), {"eps"})) << bad;
    EXPECT_TRUE(refused(optim_norm_loss(engine_, n, a, bad, 0.1, 0), {"lr"})) << bad;
    EXPECT_TRUE(refused(optim_norm_loss(engine_, n, a, 0.1, bad, 0), {"factor"})) << bad;
    EXPECT_TRUE(refused(optim_norm_loss(engine_, n, a, 0.1, 0.1, bad), {"eps"})) << bad;
    double rms = 77;
    EXPECT_TRUE(refused(optim_stable_weight_decay(engine_, n, a, b, bad, 0.1, 0.9, 1, &rms), {"lr"})) << bad;
    EXPECT_TRUE(refused(optim_stable_weight_decay(engine_, n, a, b, 0.1, bad, 0.9, 1, &rms), {"weight_decay"})) << bad;
    EXPECT_TRUE(refused(optim_stable_weight_decay(engine_, n, a, b, 0.1, 0.1, bad, 1, &rms), {"beta2"})) << bad;
    EXPECT_EQ(rms, 77);
    EXPECT_TRUE(refused(optim_lookahead(engine_, n, a, b, bad), {"alpha"})) << bad;
  }
  EXPECT_TRUE(refused(optim_lookahead(engine_, n, a, b, 1.5), {"alpha", "1.5"}));
  EXPECT_TRUE(refused(optim_clip_grad_norm(engine_, n, a, 1, 3, 0, nullptr), {"norm_type", "3"}));
  EXPECT_TRUE(refused(optim_centralize(engine_, n, a, 2), {"conv_only", "2"}));
  EXPECT_TRUE(refused(optim_normalize(engine_, n, a, 2, 0), {"channels", "2"}));
  EXPECT_TRUE(refused(optim_stable_weight_decay(engine_, n, a, b, 0.1, 0.1, 1, 1, nullptr), {"beta2", "1"}));
  EXPECT_TRUE(refused(optim_stable_weight_decay(engine_, n, a, b, 0.1, 0.1, 0.9, 0, nullptr), {"step", "0"}));
}

TEST_P(MisuseHelpers, UnitNorm) {
  double norms[4] = {77, 77, 77, 77};
  EXPECT_TRUE(refused(optim_unit_norm(nullptr, changed_.views(), norms), {"engine"}));
  EXPECT_TRUE(refused(optim_unit_norm(engine_, nullptr, norms), {"tensor"}));
  EXPECT_TRUE(refused(optim_unit_norm(engine_, changed_.views(), nullptr), {"norms"}));
  optim_tensor bad = changed_.view(0);
  bad.dtype = -1;
  EXPECT_TRUE(refused(optim_unit_norm(engine_, &bad, norms), {"dtype", "-1"}));
  for (double norm : norms) EXPECT_EQ(norm, 77);
}

TEST_P(MisuseHelpers, Unscale) {
  Buffer floats(engine_, OPTIM_F32, 2);
  floats.write(Values{2, 0});
  auto* scale = static_cast<float*>(floats.data());
  float* found = scale + 1;
  EXPECT_TRUE(refused(optim_unscale(nullptr, 2, changed_.views(), scale, found), {"engine"}));
  EXPECT_TRUE(refused(optim_unscale(engine_, 2, nullptr, scale, found), {"grads"}));
  EXPECT_TRUE(refused(optim_unscale(engine_, -2, changed_.views(), scale, found), {"count", "-2"}));
  const Bytes before = floats.bytes();
  EXPECT_TRUE(refused(optim_unscale(engine_, 2, changed_.views(), nullptr, found), {"grad_scale"}));
  EXPECT_TRUE(refused(optim_unscale(engine_, 2, changed_.views(), scale, nullptr), {"found_inf"}));
  EXPECT_EQ(floats.bytes(), before);
}

OPTIM_TEST_PER_DEVICE(MisuseHelpers);

}  // namespace
}  // namespace optim_test
