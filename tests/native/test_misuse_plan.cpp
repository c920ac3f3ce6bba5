// Refused: making a plan. Each case changes one thing in options that are otherwise accepted.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>

#include "misuse.h"

namespace optim_test {
namespace {

optim_plan* const kUntouchedPlan = reinterpret_cast<optim_plan*>(uintptr_t{0x1234});

class MisusePlan : public PerDevice {
 protected:
  MisusePlan() : rule_(rules().front()) {
    params_ = {tensor_view({4, 3}, OPTIM_F32, nullptr), tensor_view({5}, OPTIM_F32, nullptr)};
    options_.rule = rule_.name.c_str();
    options_.group_count = 2;
    options_.tensor_count = 2;
    options_.params = params_.data();
    options_.group_of = groups_.data();
    options_.helpers = &helpers_;
    options_.grad_dtype = options_.state_dtype = 0;
  }

  optim_status create(const optim_plan_options* options) {
    plan_ = kUntouchedPlan;
    const optim_status status = optim_plan_create(engine_, options, &plan_);
    EXPECT_EQ(status != OPTIM_OK, plan_ == kUntouchedPlan) << "an output was touched";
    return status;
  }
  void free_plan() { optim_plan_free(plan_); }

  testing::AssertionResult refused_with(const std::vector<std::string>& words,
                                        optim_status expected = OPTIM_INVALID_ARGUMENT) {
    const optim_status status = create(&options_);
    if (status == OPTIM_OK) free_plan();
    return refused(status, words, expected);
  }
  void expect_accepted() {
    EXPECT_EQ(create(&options_), OPTIM_OK) << optim_last_error();
    if (plan_ != kUntouchedPlan) free_plan();
  }

  Engine engine_{GetParam()};
  const Rule& rule_;
  std::vector<optim_tensor> params_;
  std::vector<int64_t> groups_{0, 1};
  optim_helpers helpers_ = sized<optim_helpers>();
  optim_plan_options options_ = sized<optim_plan_options>();
  optim_plan* plan_ = nullptr;
};

TEST_P(MisusePlan, TheUnchangedOptionsAreAccepted) { expect_accepted(); }

TEST_P(MisusePlan, Nulls) {
  optim_plan* plan = kUntouchedPlan;
  EXPECT_TRUE(refused(optim_plan_create(nullptr, &options_, &plan), {"engine"}));
  EXPECT_TRUE(refused(optim_plan_create(engine_, nullptr, &plan), {"options"}));
  EXPECT_TRUE(refused(optim_plan_create(engine_, &options_, nullptr), {"plan"}));
  EXPECT_EQ(plan, kUntouchedPlan);
  options_.params = nullptr;
  EXPECT_TRUE(refused_with({"params"}));
  options_.params = params_.data();
  options_.rule = nullptr;
  EXPECT_TRUE(refused_with({"rule"}));
  options_.rule = rule_.name.c_str();
  options_.hyper_count = 1;
  EXPECT_TRUE(refused_with({"hypers"}));
  options_.hyper_count = 0;
  options_.group_of = nullptr;
  options_.helpers = nullptr;
  expect_accepted();
  options_.tensor_count = 0;
  options_.params = nullptr;
  expect_accepted();
}

TEST_P(MisusePlan, ParamStorage) {
  const auto with_dtype = [&](int32_t dtype) {
    for (optim_tensor& param : params_) param.dtype = dtype;
  };
  options_.master_weights = 2;
  EXPECT_TRUE(refused_with({"options.master_weights", "2", "0 and 1"}));
  options_.master_weights = 1;
  with_dtype(OPTIM_F64);
  EXPECT_TRUE(refused_with({"params[0]", "F64", "master_weights", "F16 and BF16"}));
  with_dtype(OPTIM_F16);
  expect_accepted();
  params_[1].dtype = OPTIM_F32;
  expect_accepted();
  with_dtype(OPTIM_BF16);
  expect_accepted();
  options_.stochastic_rounding = 1;
  EXPECT_TRUE(refused_with({"master_weights", "stochastic_rounding", "one of them"}));
  options_.master_weights = 0;
  expect_accepted();
  options_.stochastic_rounding = -1;
  EXPECT_TRUE(refused_with({"options.stochastic_rounding", "-1", "0 and 1"}));
  options_.stochastic_rounding = 1;
  for (const int32_t dtype : {OPTIM_F64, OPTIM_F16}) {
    with_dtype(dtype);
    EXPECT_TRUE(refused_with({"params[0]", "stochastic_rounding", "BF16"}));
  }
  options_.rule = "sam_perturb";
  with_dtype(OPTIM_BF16);
  EXPECT_TRUE(refused_with({"sam_perturb", "stochastic_rounding"}, OPTIM_UNSUPPORTED));
}

TEST_P(MisusePlan, StructSizes) {
  expect_sizes_checked<optim_plan_options>(
      options_, [&](const optim_plan_options* o) { return create(o); }, [&] { free_plan(); },
      offsetof(optim_plan_options, master_weights));
  expect_sizes_checked<optim_helpers>(
      helpers_,
      [&](const optim_helpers* h) {
        options_.helpers = h;
        return create(&options_);
      },
      [&] { free_plan(); });
  options_.helpers = &helpers_;
  options_.tensor_count = 1;
  expect_sizes_checked<optim_tensor>(
      params_[0],
      [&](const optim_tensor* t) {
        options_.params = t;
        return create(&options_);
      },
      [&] { free_plan(); });
}

TEST_P(MisusePlan, UnknownRule) {
  const std::string good = rule_.name;
  for (const std::string& name : {std::string("no_such_rule"), std::string(), good + " ", std::string(5000, 'x')}) {
    options_.rule = name.c_str();
    EXPECT_TRUE(refused_with({name.substr(0, 40)}, OPTIM_NOT_FOUND));
  }
  options_.rule = "no\nrule\xff";  // the error is one line of sound UTF-8 nevertheless
  EXPECT_TRUE(refused_with({"no?rule?"}, OPTIM_NOT_FOUND));
  for (const Rule& rule : rules()) EXPECT_NE(std::string(optim_last_error()).find(rule.name), std::string::npos);
}

TEST_P(MisusePlan, Counts) {
  for (int64_t count : {int64_t{0}, int64_t{-1}, INT64_MIN}) {
    options_.group_count = count;
    EXPECT_TRUE(refused_with({"group_count", std::to_string(count)}));
  }
  options_.group_count = 2;
  for (int64_t count : {int64_t{-1}, INT64_MIN}) {
    options_.tensor_count = count;
    EXPECT_TRUE(refused_with({"tensor_count", std::to_string(count)}));
  }
  options_.tensor_count = 2;
  const std::vector<double> hypers(200, 0.0);
  options_.hypers = hypers.data();
  for (int64_t count : {int64_t{-1}, static_cast<int64_t>(rule_.hypers.size()) + 1, INT64_MAX}) {
    options_.hyper_count = count;
    EXPECT_TRUE(refused_with({"hyper_count", std::to_string(count)}));
  }
}

TEST_P(MisusePlan, GroupIndices) {
  for (int64_t group : {int64_t{2}, int64_t{-1}, INT64_MAX}) {
    groups_[1] = group;
    EXPECT_TRUE(refused_with({"group_of[1]", std::to_string(group)}));
  }
}

TEST_P(MisusePlan, Dtypes) {
  for (int32_t dtype : {-1, 0, 5, INT32_MAX}) {
    params_[1].dtype = dtype;
    EXPECT_TRUE(refused_with({"params[1]", "dtype", std::to_string(dtype)}));
  }
  params_[1].dtype = OPTIM_F32;
  for (int64_t tensors : {2, 0}) {
    options_.tensor_count = tensors;
    for (int32_t dtype : {-1, 5}) {
      options_.grad_dtype = dtype;
      EXPECT_TRUE(refused_with({"grad_dtype", std::to_string(dtype)}));
      options_.grad_dtype = 0;
      options_.state_dtype = dtype;
      EXPECT_TRUE(refused_with({"state_dtype", std::to_string(dtype)}));
      options_.state_dtype = 0;
    }
  }
}

TEST_P(MisusePlan, DoubleOnlyWhenAllAreDouble) {
  struct Combination {
    int32_t first, second, grad, state;
  };
  const Combination refused_ones[] = {{OPTIM_F64, OPTIM_F32, 0, 0},          {OPTIM_F64, OPTIM_F64, OPTIM_F32, 0},
                                      {OPTIM_F64, OPTIM_F64, 0, OPTIM_F32},  {OPTIM_F32, OPTIM_F32, OPTIM_F64, 0},
                                      {OPTIM_F32, OPTIM_F32, 0, OPTIM_F64},  {OPTIM_BF16, OPTIM_F64, 0, 0},
                                      {OPTIM_F64, OPTIM_F64, OPTIM_BF16, 0}, {OPTIM_F16, OPTIM_F16, 0, OPTIM_F64}};
  for (const Combination& c : refused_ones) {
    params_[0].dtype = c.first;
    params_[1].dtype = c.second;
    options_.grad_dtype = c.grad;
    options_.state_dtype = c.state;
    EXPECT_TRUE(refused_with({"F64"})) << c.first << c.second << c.grad << c.state;
  }
  params_[0].dtype = params_[1].dtype = OPTIM_F64;
  options_.grad_dtype = options_.state_dtype = 0;
  expect_accepted();
  params_[0].dtype = OPTIM_F16;
  params_[1].dtype = OPTIM_BF16;
  expect_accepted();
}

TEST_P(MisusePlan, Ranks) {
  for (int32_t rank : {-1, OPTIM_MAX_RANK + 1, INT32_MAX, INT32_MIN}) {
    params_[1].rank = rank;
    EXPECT_TRUE(refused_with({"params[1]", "rank", std::to_string(rank)}));
  }
}

TEST_P(MisusePlan, Shapes) {
  params_[0].shape[1] = -3;
  EXPECT_TRUE(refused_with({"params[0]", "shape[1]", "-3"}));
  for (const Shape& shape : {Shape{INT64_MAX}, Shape{int64_t{1} << 40, int64_t{1} << 40}, Shape{INT64_MAX, INT64_MAX},
                             Shape{int64_t{1} << 61}, Shape{3, INT64_MAX / 2}}) {
    params_[0] = tensor_view(shape, OPTIM_F32, nullptr);
    EXPECT_TRUE(refused_with({"params[0]", "shape"})) << to_string(shape);
  }
  constexpr int64_t many = int64_t{1} << 62;
  for (const Shape& shape : {Shape{0, 5}, Shape{many, many, 0}, Shape{0, many, many}}) {
    params_[0] = tensor_view(shape, OPTIM_F32, nullptr);
    expect_accepted();
  }
}

// A step in float arithmetic would take it for infinity.
TEST_P(MisusePlan, OptionsBeyondFloat) {
  const std::vector<double> lr{1e39, 1e-3};
  options_.hypers = lr.data();
  options_.hyper_count = 1;
  EXPECT_TRUE(refused_with({rule_.hypers[0].name, "9.99"}));
  params_[0].dtype = params_[1].dtype = OPTIM_F64;
  expect_accepted();
  params_[0].dtype = params_[1].dtype = OPTIM_F32;
  options_.hyper_count = 0;
  for (double optim_helpers::*const member : {&optim_helpers::clip_value, &optim_helpers::norm_loss_factor}) {
    helpers_.*member = 1e39;
    EXPECT_TRUE(refused_with({"9.99", "3.40"}));
    helpers_.*member = 1e38;
    expect_accepted();
    helpers_.*member = 0;
  }
}

TEST_P(MisusePlan, Strides) {
  const struct {
    Shape shape, strides;
  } cases[] = {{{4, 3}, {6, 2}},   // gaps inside rows
               {{4, 3}, {4, 1}},   // gaps between rows
               {{4, 3}, {2, 1}},   // rows overlap
               {{4, 3}, {1, 4}},   // dimension 0 innermost
               {{4, 3}, {-3, 1}},  // backwards
               {{4, 3}, {3, 0}},   // broadcast
               {{4, 3}, {0, 1}},   // broadcast along dimension 0
               {{4, 3}, {0, 0}},   // one number, broadcast along all dimensions
               {{5}, {0}},
               {{2, 3, 4}, {4, 8, 1}},     // dimension 1 outermost
               {{5}, {2}},                 // every second element
               {{2, 2}, {INT64_MAX, 1}}};  // beyond every address
  for (const auto& c : cases) {
    params_[0] = tensor_view(c.shape, OPTIM_F32, nullptr, c.strides);
    EXPECT_TRUE(refused_with({"params[0]", "strides"})) << to_string(c.shape) << " " << to_string(c.strides);
  }
  params_[0] = tensor_view({4, 3}, OPTIM_F32, nullptr);
  params_[0].strides[1] = 1;
  EXPECT_TRUE(refused_with({"params[0]", "strides[1]", "OPTIM_ROW_MAJOR"}));
  params_[0].layout = 2;
  EXPECT_TRUE(refused_with({"params[0]", "layout", "2"}));
  params_[0].layout = OPTIM_ROW_MAJOR;
  params_[0].strides[1] = 0;
  params_[0].reserved = 1;
  EXPECT_TRUE(refused_with({"params[0]", "reserved", "1"}));
  const struct {
    Shape shape, strides;
  } good[] = {
      {{4, 3}, {3, 1}},   {{2, 3, 4}, {12, 1, 3}},  // channels-last
      {{1, 3}, {777, 1}},                           // the stride of a single row says nothing
      {{1, 3}, {0, 1}},   {{1, 1}, {0, 0}},        {{0, 3}, {0, 0}}, {{4, 1}, {1, 55}}, {{2, 3, 4, 5}, {60, 1, 15, 3}}};
  for (const auto& c : good) {
    params_[0] = tensor_view(c.shape, OPTIM_F32, nullptr, c.strides);
    SCOPED_TRACE(to_string(c.shape) + " " + to_string(c.strides));
    expect_accepted();
  }
}

TEST_P(MisusePlan, HelperSettings) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const struct {
    const char* name;
    double optim_helpers::*member;
    std::vector<double> bad;
  } reals[] = {{"clip_value", &optim_helpers::clip_value, {-1, nan}},
               {"clip_norm", &optim_helpers::clip_norm, {-1, nan}},
               {"clip_norm_eps", &optim_helpers::clip_norm_eps, {-1, nan, infinity}},
               {"agc_clip_val", &optim_helpers::agc_clip_val, {-0.5, nan}},
               {"agc_eps", &optim_helpers::agc_eps, {-1, nan, infinity}},
               {"agc_division_eps", &optim_helpers::agc_division_eps, {-1, nan, infinity}},
               {"normalize_eps", &optim_helpers::normalize_eps, {-1, nan, infinity}},
               {"stable_weight_decay", &optim_helpers::stable_weight_decay, {-1, nan, infinity}},
               {"norm_loss_factor", &optim_helpers::norm_loss_factor, {-1, nan, infinity}},
               {"norm_loss_eps", &optim_helpers::norm_loss_eps, {-1, nan, infinity}},
               {"lookahead_alpha", &optim_helpers::lookahead_alpha, {-0.1, 1.1, nan}}};
  for (const auto& real : reals) {
    for (double value : real.bad) {
      helpers_ = sized<optim_helpers>();
      helpers_.lookahead_k = 3;
      helpers_.*real.member = value;
      EXPECT_TRUE(refused_with({real.name})) << value;
    }
  }
  const struct {
    const char* name;
    int32_t optim_helpers::*member;
    std::vector<int32_t> bad;
  } integers[] = {{"skip_nonfinite", &optim_helpers::skip_nonfinite, {-1, 2}},
                  {"centralize", &optim_helpers::centralize, {-1, 2}},
                  {"centralize_conv_only", &optim_helpers::centralize_conv_only, {-1, 2}},
                  {"normalize", &optim_helpers::normalize, {-1, 2}},
                  {"normalize_channels", &optim_helpers::normalize_channels, {-1, 2}},
                  {"lookahead_k", &optim_helpers::lookahead_k, {-1, INT32_MIN}},
                  {"lookahead_pullback", &optim_helpers::lookahead_pullback, {-1, 3}},
                  {"reserved", &optim_helpers::reserved, {1}}};
  for (const auto& integer : integers) {
    for (int32_t value : integer.bad) {
      helpers_ = sized<optim_helpers>();
      helpers_.*integer.member = value;
      EXPECT_TRUE(refused_with({integer.name, std::to_string(value)}));
    }
  }
}

TEST_P(MisusePlan, NormType) {
  helpers_.clip_norm = 1;
  for (double type :
       {3.0, -2.0, 0.5, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
    helpers_.clip_norm_type = type;
    EXPECT_TRUE(refused_with({"clip_norm_type"})) << type;
  }
}

TEST_P(MisusePlan, RowsTooShortToNormalize) {
  helpers_.normalize = helpers_.normalize_channels = 1;
  params_[0] = tensor_view({6, 1}, OPTIM_F32, nullptr);
  EXPECT_TRUE(refused_with({"params[0]"}));
}

// What a helper needs of the rule: a second moment to divide by, a first moment to pull back.
TEST_P(MisusePlan, HelpersThatTheRuleCannotServe) {
  for (const Rule& rule : rules()) {
    if (!rule.needs.empty()) continue;
    SCOPED_TRACE(rule.name);
    const auto has = [&](const char* role) {
      for (const Slot& slot : rule.slots) {
        if (slot.role == role && slot.shape == "param") return true;
      }
      return false;
    };
    options_.rule = rule.name.c_str();
    helpers_ = sized<optim_helpers>();
    helpers_.stable_weight_decay = 0.1;
    if (!has("second_moment")) {
      const optim_status status = create(&options_);
      EXPECT_TRUE(status == OPTIM_UNSUPPORTED || status == OPTIM_INVALID_ARGUMENT) << optim_status_name(status);
      EXPECT_TRUE(refused(status, {"stable_weight_decay"}, status));
    }
    helpers_ = sized<optim_helpers>();
    helpers_.lookahead_k = 2;
    helpers_.lookahead_pullback = OPTIM_PULLBACK_RESET;
    if (!has("first_moment")) {
      const optim_status status = create(&options_);
      EXPECT_TRUE(status == OPTIM_UNSUPPORTED || status == OPTIM_INVALID_ARGUMENT) << optim_status_name(status);
      EXPECT_TRUE(refused(status, {"lookahead_pullback"}, status));
    }
  }
}

// More elements than 32 bits count; nothing is bound, so no memory is needed.
TEST_P(MisusePlan, HugeTensorsAreLaidOut) {
  const int64_t count = (int64_t{1} << 31) + 9;
  for (const Rule& rule : rules()) {
    if (!rule.needs.empty() || rule.shape == "matrix") continue;
    SCOPED_TRACE(rule.name);
    options_.rule = rule.name.c_str();
    options_.tensor_count = 1;
    params_[0] = tensor_view({count}, OPTIM_F32, nullptr);
    ASSERT_EQ(create(&options_), OPTIM_OK) << optim_last_error();
    int64_t slots = 0;
    check(optim_plan_slot_count(plan_, 0, &slots));
    for (int64_t s = 0; s < slots; ++s) {
      auto slot = sized<optim_slot>();
      check(optim_plan_slot(plan_, 0, s, &slot));
      EXPECT_TRUE(slot.bytes == static_cast<uint64_t>(count) * 4 || slot.bytes == 4) << slot.name << " " << slot.bytes;
    }
    free_plan();
  }
}

// Four times as many groups, or tensors, may take ten times as long but not sixteen.
TEST_P(MisusePlan, ManyGroupsAndTensorsTakeLinearTime) {
  const auto seconds = [&](int64_t group_count, int64_t tensor_count) {
    const std::vector<optim_tensor> params(static_cast<size_t>(tensor_count), params_[1]);
    std::vector<int64_t> group_of(params.size());
    for (size_t i = 0; i < params.size(); ++i) group_of[i] = static_cast<int64_t>(i) % group_count;
    options_.group_count = group_count;
    options_.tensor_count = tensor_count;
    options_.params = params.data();
    options_.group_of = group_of.data();
    std::clock_t best = std::numeric_limits<std::clock_t>::max();
    for (int trial = 0; trial < 3; ++trial) {
      const std::clock_t start = std::clock();
      check(create(&options_));
      best = std::min(best, std::clock() - start);
      free_plan();
    }
    return static_cast<double>(best) / CLOCKS_PER_SEC;
  };
  constexpr int64_t few = 30000, many = 4 * few;
  EXPECT_LT(seconds(many, many), 10 * seconds(few, few));
  EXPECT_LT(seconds(1, many), 10 * seconds(1, few));
}

OPTIM_TEST_PER_DEVICE(MisusePlan);

}  // namespace
}  // namespace optim_test
