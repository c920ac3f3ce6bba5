// Dynamic loss scaling: the loss is multiplied by a scale so that small gradients survive 16-bit storage; the scale
// falls when gradients overflow and grows again after a while. One function per rule moves the state, on the device,
// after each step.
#pragma once

#include <cfloat>
#include <cstdint>

#include "core/config.h"

namespace optim {

// As optim_loss_scale in optim.h. The members after `reserved` count steps and iterations; each rule uses its own.
struct LossScale {
  float scale;
  float overflow;
  std::int32_t failed;
  std::int32_t reserved;
  std::int64_t growth_tracker;  // amp: steps without overflow since the scale changed
  std::int64_t iteration;       // the rest: fairseq
  std::int64_t last_overflow;
  std::int64_t last_rescale;
  std::int64_t overflows;  // since the scale fell

  static LossScale starting_at(double scale) { return {static_cast<float>(scale), 0, 0, 0, 0, 0, -1, -1, 0}; }
};

enum class LossScaleRule : std::int32_t { amp, fairseq };

struct LossScaleSettings {
  LossScaleRule rule;
  double growth_factor;
  double backoff_factor;
  std::int64_t growth_interval;
  double tolerance;
  double threshold;
  double min_scale;
};

// The scale stays a normal float: neither it nor its reciprocal becomes infinite.
OPTIM_FN float rescaled(float scale, double factor) {
  const double next = static_cast<double>(scale) * factor;
  if (next > static_cast<double>(FLT_MAX)) return scale;
  return next < static_cast<double>(FLT_MIN) ? FLT_MIN : static_cast<float>(next);
}

// torch.amp.GradScaler.
OPTIM_FN void update_amp(LossScale& state, const LossScaleSettings& settings) {
  if (state.overflow != 0) {
    state.scale = rescaled(state.scale, settings.backoff_factor);
    state.growth_tracker = 0;
  } else if (++state.growth_tracker >= settings.growth_interval) {
    state.scale = rescaled(state.scale, settings.growth_factor);
    state.growth_tracker = 0;
  }
}

// DynamicLossScaler of fairseq: an overflow lowers the scale only if the share of overflows since the last change has
// reached the tolerance. A scale that fell to min_scale is of no use: it is restored, and the failure reported.
OPTIM_FN void update_fairseq(LossScale& state, const LossScaleSettings& settings) {
  if (state.overflow != 0) {
    const auto since = static_cast<double>(state.iteration - state.last_rescale);
    state.last_overflow = state.iteration;
    ++state.overflows;
    if (static_cast<double>(state.overflows) / since >= settings.tolerance) {
      const float former = state.scale;
      state.scale = rescaled(state.scale, settings.backoff_factor);
      if (state.scale < settings.threshold) state.scale = static_cast<float>(settings.threshold);
      state.last_rescale = state.iteration;
      state.overflows = 0;
      if (state.scale <= settings.min_scale) {
        state.scale = former;
        state.failed = 1;
      }
    }
  } else if ((state.iteration - state.last_overflow) % settings.growth_interval == 0) {
    state.scale = rescaled(state.scale, settings.growth_factor);
    state.last_rescale = state.iteration;
  }
  ++state.iteration;
}

OPTIM_FN void update_loss_scale(LossScale& state, const LossScaleSettings& settings) {
  if (settings.rule == LossScaleRule::amp) {
    update_amp(state, settings);
  } else {
    update_fairseq(state, settings);
  }
  state.overflow = 0;
}

}  // namespace optim
