#include "helper_settings.h"

#include <functional>

namespace optim_test {
namespace {

HelperSetting setting(const std::string& name, bool across_tensors, const std::function<void(optim_helpers&)>& set) {
  HelperSetting s{name, sized<optim_helpers>(), across_tensors};
  set(s.helpers);
  return s;
}

}  // namespace

std::string slot_of_role(const Rule& rule, const std::string& role) {
  for (const Slot& slot : rule.slots) {
    if (slot.role == role) return slot.name;
  }
  return "";
}

std::vector<HelperSetting> single_helpers(const Rule& rule) {
  using H = optim_helpers;
  const auto lookahead = [](H& h, int32_t pullback) {
    h.lookahead_k = 2;
    h.lookahead_alpha = 0.6;
    h.lookahead_pullback = pullback;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<HelperSetting> all{
      setting("centralize", false, [](H& h) { h.centralize = 1; }),
      setting("centralize_conv_only", false, [](H& h) { h.centralize = h.centralize_conv_only = 1; }),
      setting("normalize", false, [](H& h) { h.normalize = 1; }),
      setting("normalize_channels", false, [](H& h) { h.normalize = h.normalize_channels = 1; }),
      setting("clip_value", false, [](H& h) { h.clip_value = 0.75; }),
      setting("clip_norm", true, [](H& h) { h.clip_norm = 2.5; }),
      setting("clip_norm_one", true, [](H& h) { h.clip_norm = 2.5, h.clip_norm_type = 1; }),
      setting("clip_norm_inf", true, [&](H& h) { h.clip_norm = 0.5, h.clip_norm_type = infinity; }),
      setting("agc", false, [](H& h) { h.agc_clip_val = 0.02; }),
      setting("norm_loss", false, [](H& h) { h.norm_loss_factor = 0.5; }),
      setting("lookahead", false, [&](H& h) { lookahead(h, OPTIM_PULLBACK_NONE); }),
  };
  if (!slot_of_role(rule, "second_moment").empty()) {
    all.push_back(setting("stable_weight_decay", true, [](H& h) { h.stable_weight_decay = 0.05; }));
  }
  if (!slot_of_role(rule, "first_moment").empty()) {
    all.push_back(setting("lookahead_reset", false, [&](H& h) { lookahead(h, OPTIM_PULLBACK_RESET); }));
    all.push_back(setting("lookahead_pullback", false, [&](H& h) { lookahead(h, OPTIM_PULLBACK_PULLBACK); }));
  }
  return all;
}

HelperSetting local_helpers() {
  return setting("local_helpers", false, [](optim_helpers& h) {
    h.centralize = h.normalize = 1;
    h.clip_value = 1.25;
    h.agc_clip_val = 0.5;
    h.norm_loss_factor = 0.2;
    h.lookahead_k = 2;
    h.lookahead_alpha = 0.5;
  });
}

HelperSetting all_helpers(const Rule& rule) {
  HelperSetting all = local_helpers();
  all.name = "all_helpers";
  all.across_tensors = true;
  all.helpers.skip_nonfinite = 1;
  all.helpers.clip_norm = 100;
  if (!slot_of_role(rule, "second_moment").empty()) all.helpers.stable_weight_decay = 0.05;
  if (!slot_of_role(rule, "first_moment").empty()) all.helpers.lookahead_pullback = OPTIM_PULLBACK_PULLBACK;
  return all;
}

}  // namespace optim_test
