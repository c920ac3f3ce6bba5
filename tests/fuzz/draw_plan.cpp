#include "draw_plan.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "helper_settings.h"

namespace optim_fuzz {
namespace {

int32_t draw_16_or_32(Random& random) { return random.pick(std::vector<int32_t>{OPTIM_F32, OPTIM_F16, OPTIM_BF16}); }

optim_helpers draw_helpers(Random& random, const Rule& rule) {
  auto h = sized<optim_helpers>();
  if (random.chance(0.3)) return h;
  const auto on = [&] { return random.chance(0.2) ? 1 : 0; };
  const auto number = [&](double low, double high) { return random.chance(0.2) ? random.real(low, high) : 0; };
  h.skip_nonfinite = on();
  h.centralize = on();
  h.centralize_conv_only = on();
  h.normalize = on();
  h.normalize_channels = on();
  h.clip_value = number(0.1, 2);
  h.clip_norm = number(0.1, 20);
  h.clip_norm_type = random.pick(Values{0, 1, 2, std::numeric_limits<double>::infinity()});
  h.clip_norm_eps = number(0, 1e-3);
  h.agc_clip_val = number(0.01, 1);
  h.agc_eps = number(0, 1e-2);
  h.agc_division_eps = number(0, 1e-2);
  h.normalize_eps = number(0, 1e-2);
  h.norm_loss_factor = number(0, 1);
  h.norm_loss_eps = number(0, 1e-2);
  if (!slot_of_role(rule, "second_moment").empty()) h.stable_weight_decay = number(0, 0.1);
  if (random.chance(0.3)) h.lookahead_k = static_cast<int32_t>(random.between(1, 3));
  h.lookahead_alpha = number(0.1, 1);
  if (!slot_of_role(rule, "first_moment").empty()) h.lookahead_pullback = static_cast<int32_t>(random.between(0, 2));
  return h;
}

}  // namespace

std::vector<double> draw_row(Random& random, const Rule& rule) {
  std::vector<double> row = random.pick(variants(rule)).hypers;
  for (size_t i = 0; i < row.size(); ++i) {
    if (random.chance(0.1)) row[i] = valid_value(random, rule.hypers[i]);
  }
  return row;
}

PlanSpec draw_plan(Random& random, int64_t most_elements) {
  const Rule& rule = random.pick(rules());
  PlanSpec spec{rule.name, {}};
  spec.hypers.clear();
  for (int64_t n = random.between(1, 3); n > 0; --n) spec.hypers.push_back(draw_row(random, rule));
  const bool in_double = random.chance(0.25);
  spec.param = in_double ? OPTIM_F64 : draw_16_or_32(random);
  spec.grad = in_double ? OPTIM_F64 : draw_16_or_32(random);
  spec.state = in_double ? OPTIM_F64 : draw_16_or_32(random);
  spec.master_weights = !in_double && random.chance(0.2);
  spec.stochastic_rounding = !in_double && !spec.master_weights && random.chance(0.2);
  spec.rounding_seed = random.next();
  spec.offset = random.between(0, 3);
  spec.helpers = draw_helpers(random, rule);
  // The work of a matrix rule grows with the cube of a dimension.
  const int64_t longest = rule.shape != "matrix" ? INT64_MAX : devices().size() > 1 ? 16 : 40;
  const bool rounds = spec.stochastic_rounding;
  if (rounds && spec.param == OPTIM_F16) spec.param = OPTIM_BF16;
  for (int64_t n = random.between(0, 6); n > 0; --n) {
    TensorSpec tensor{draw_shape(random, most_elements, longest)};
    if (random.chance(0.3)) tensor.strides = draw_strides(random, tensor.shape);
    if (!in_double && random.chance(0.2)) tensor.param = rounds ? OPTIM_F32 : draw_16_or_32(random);
    spec.tensors.push_back(std::move(tensor));
    if (spec.hypers.size() > 1)
      spec.group_of.push_back(random.between(0, static_cast<int64_t>(spec.hypers.size()) - 1));
  }
  for (size_t g = 0; g < spec.hypers.size() && random.chance(0.8); ++g)
    spec.steps_by_group.push_back(static_cast<int32_t>(random.between(0, 1)));
  if (spec.steps_by_group.size() != spec.hypers.size()) spec.steps_by_group.clear();
  return spec;
}

optim_status break_plan(Random& random, PlanSpec& spec) {
  const Rule& rule = *find_rule(spec.rule);
  optim_status expected = OPTIM_INVALID_ARGUMENT;
  std::vector<std::function<void()>> ways{
      [&] { spec.rule = "no_such_rule", expected = OPTIM_NOT_FOUND; },
      [&] { spec.steps_by_group.assign(spec.hypers.size(), 2); },
      [&] { spec.helpers.clip_norm = -1; },
      [&] { spec.helpers.lookahead_k = -1; },
      [&] { spec.helpers.agc_clip_val = std::nan(""); },
      [&] { spec.helpers.reserved = 1; },
      [&] { spec.helpers.size = 12; },
      [&] { spec.state = 9; },
      [&] { spec.master_weights = spec.stochastic_rounding = true; },
      [&] { spec.hypers.clear(), spec.hypers.push_back(rule.defaults()), spec.hypers[0].push_back(0); },
  };
  if (!rule.hypers.empty()) {
    ways.emplace_back([&] {
      const auto i = static_cast<size_t>(random.between(0, static_cast<int64_t>(rule.hypers.size()) - 1));
      spec.hypers.back()[i] = invalid_value(random, rule.hypers[i]);
    });
  }
  if (!spec.tensors.empty()) {
    TensorSpec& tensor = spec.tensors.back();
    ways.emplace_back([&] { tensor.param = -1; });
    ways.emplace_back([&] { spec.grad = spec.param == OPTIM_F64 ? OPTIM_F32 : OPTIM_F64; });
    ways.emplace_back([&] { tensor.shape = {3, -1}, tensor.strides.clear(); });
    ways.emplace_back([&] { tensor.shape = {int64_t{1} << 40, int64_t{1} << 40}, tensor.strides.clear(); });
    ways.emplace_back([&] { tensor.shape = {2, 3}, tensor.strides = {3, 0}; });  // expanded
    ways.emplace_back([&] { tensor.shape = {2, 3}, tensor.strides = {1, 2}; });  // dimension 0 is not outermost
    ways.emplace_back([&] { tensor.shape = {2, 3}, tensor.strides = {4, 1}; });  // a row is longer than its elements
    ways.emplace_back([&] { spec.group_of.assign(spec.tensors.size(), static_cast<int64_t>(spec.hypers.size())); });
    ways.emplace_back([&] { spec.group_of.assign(spec.tensors.size(), -1); });
  }
  random.pick(ways)();
  return expected;
}

std::string describe(const PlanSpec& spec) {
  std::string text =
      spec.rule + ", dtypes " + testing::PrintToString(std::vector<int32_t>{spec.param, spec.grad, spec.state}) +
      (spec.master_weights ? ", master weights" : "") + (spec.stochastic_rounding ? ", stochastic rounding" : "") +
      "; hypers " + testing::PrintToString(spec.hypers) + "; groups " + testing::PrintToString(spec.group_of) +
      "; shared counts " + testing::PrintToString(spec.steps_by_group) + "; tensors";
  for (const TensorSpec& tensor : spec.tensors) {
    text += " " + to_string(tensor.shape);
    if (!tensor.strides.empty()) text += " strides " + to_string(tensor.strides);
    if (tensor.param != 0) text += " dtype " + std::to_string(tensor.param);
  }
  const optim_helpers& h = spec.helpers;
  const auto add = [&](const char* name, double value) {
    if (value != 0) text += std::string("; ") + name + " " + testing::PrintToString(value);
  };
  add("skip_nonfinite", h.skip_nonfinite);
  add("centralize", h.centralize);
  add("centralize_conv_only", h.centralize_conv_only);
  add("normalize", h.normalize);
  add("normalize_channels", h.normalize_channels);
  add("lookahead_k", h.lookahead_k);
  add("lookahead_pullback", h.lookahead_pullback);
  add("clip_value", h.clip_value);
  add("clip_norm", h.clip_norm);
  add("agc_clip_val", h.agc_clip_val);
  add("stable_weight_decay", h.stable_weight_decay);
  add("norm_loss_factor", h.norm_loss_factor);
  return text;
}

}  // namespace optim_fuzz
