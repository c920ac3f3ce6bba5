// The helpers that are switched on for a plan, with defaults filled in. The members are documented in optim.h.
#pragma once

#include <cstdint>

namespace optim {

enum class Pullback : std::int32_t { none, reset, pullback };

struct HelperSettings {
  bool skip_nonfinite = false;
  bool centralize = false;
  bool centralize_conv_only = false;
  bool normalize = false;
  bool normalize_channels = false;
  std::int32_t lookahead_k = 0;
  Pullback pullback = Pullback::none;
  double clip_value = 0;
  double clip_norm = 0;
  double clip_norm_type = 2;
  double clip_norm_eps = 1e-6;
  double agc_clip_val = 0;
  double agc_eps = 1e-3;
  double agc_division_eps = 1e-6;
  double normalize_eps = 1e-8;
  double stable_weight_decay = 0;
  double norm_loss_factor = 0;
  double norm_loss_eps = 1e-8;
  double lookahead_alpha = 0.5;
};

}  // namespace optim
