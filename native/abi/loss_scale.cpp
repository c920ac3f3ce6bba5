// Dynamic loss scaling.
#include "helpers/loss_scale.h"

#include <cmath>
#include <cstddef>

#include "abi/boundary.h"

using namespace optim;
using namespace optim::abi;

static_assert(sizeof(LossScale) == sizeof(optim_loss_scale));
static_assert(offsetof(LossScale, scale) == offsetof(optim_loss_scale, scale) &&
              offsetof(LossScale, overflow) == offsetof(optim_loss_scale, overflow) &&
              offsetof(LossScale, failed) == offsetof(optim_loss_scale, failed) &&
              offsetof(LossScale, growth_tracker) == offsetof(optim_loss_scale, growth_tracker) &&
              offsetof(LossScale, iteration) == offsetof(optim_loss_scale, iteration) &&
              offsetof(LossScale, last_overflow) == offsetof(optim_loss_scale, last_overflow) &&
              offsetof(LossScale, last_rescale) == offsetof(optim_loss_scale, last_rescale) &&
              offsetof(LossScale, overflows) == offsetof(optim_loss_scale, overflows));

namespace {

struct Options {
  double init_scale;
  LossScaleSettings settings;
};

double or_default(double value, double otherwise) { return value == 0 ? otherwise : value; }

// Of what a rule does not have.
void require_none(const char* rule, const char* name, double value) {
  if (value != 0) invalid("options.", name, " is ", value, "; ", rule, " has none, so it must be 0");
}

Options read_amp(const optim_loss_scale_options& o) {
  require_none("OPTIM_LOSS_SCALE_AMP", "tolerance", o.tolerance);
  require_none("OPTIM_LOSS_SCALE_AMP", "threshold", o.threshold);
  require_none("OPTIM_LOSS_SCALE_AMP", "min_scale", o.min_scale);
  const double backoff = or_default(o.backoff_factor, 0.5);
  if (!(backoff > 0 && backoff < 1)) invalid("options.backoff_factor is ", backoff, "; allowed is (0, 1)");
  return {or_default(o.init_scale, 65536), {LossScaleRule::amp, 0, backoff, 0, 0, 0, 0}};
}

Options read_fairseq(const optim_loss_scale_options& o) {
  require_none("OPTIM_LOSS_SCALE_FAIRSEQ", "backoff_factor", o.backoff_factor);
  if (!(o.tolerance >= 0 && o.tolerance <= 1)) invalid("options.tolerance is ", o.tolerance, "; allowed is [0, 1]");
  const double threshold = at_least("options.threshold", o.threshold, 0);
  if (threshold > FLT_MAX) invalid("options.threshold is ", threshold, "; allowed is a float, at most ", FLT_MAX);
  const double smallest = o.min_scale == -1 ? 0 : at_least("options.min_scale (-1: none)", o.min_scale, 0);
  const double min_scale = o.min_scale == 0 ? 0x1p-5 : smallest;
  return {or_default(o.init_scale, 32768), {LossScaleRule::fairseq, 0, 0, 0, o.tolerance, threshold, min_scale}};
}

Options read_options(const optim_loss_scale_options* from) {
  const optim_loss_scale_options o = read_struct(from, "options");
  if (o.reserved != 0) invalid("options.reserved is ", o.reserved, "; it must be 0");
  if (o.rule != OPTIM_LOSS_SCALE_AMP && o.rule != OPTIM_LOSS_SCALE_FAIRSEQ) {
    invalid("options.rule is ", o.rule, "; allowed are 0 (OPTIM_LOSS_SCALE_AMP) and 1 (OPTIM_LOSS_SCALE_FAIRSEQ)");
  }
  Options options = o.rule == OPTIM_LOSS_SCALE_AMP ? read_amp(o) : read_fairseq(o);
  const double scale = options.init_scale;
  if (!(scale >= FLT_MIN && scale <= FLT_MAX)) {
    invalid("options.init_scale is ", scale, "; allowed are normal floats, ", FLT_MIN, " to ", FLT_MAX);
  }
  const double factor = or_default(o.growth_factor, 2);
  if (!(factor > 1) || std::isinf(factor)) invalid("options.growth_factor is ", factor, "; allowed is (1, inf)");
  if (o.growth_interval < 0)
    invalid("options.growth_interval is ", o.growth_interval, "; allowed is 1 or more (0: 2000)");
  LossScaleSettings& settings = options.settings;
  settings.growth_factor = factor;
  if (settings.rule == LossScaleRule::fairseq) settings.backoff_factor = 1 / factor;
  settings.growth_interval = o.growth_interval == 0 ? 2000 : o.growth_interval;
  return options;
}

LossScale* checked_state(const Engine& engine, optim_loss_scale* state) {
  if (state == nullptr) invalid("state is NULL");
  engine.check_address("state", state, alignof(optim_loss_scale));
  return reinterpret_cast<LossScale*>(state);
}

}  // namespace

optim_status optim_loss_scale_init(optim_engine* engine, const optim_loss_scale_options* options,
                                   optim_loss_scale* state) {
  return guarded([&] {
    Engine& e = *require(engine, "engine").engine;
    const Options o = read_options(options);
    const LossScale initial = LossScale::starting_at(o.init_scale);
    e.copy(checked_state(e, state), &initial, sizeof initial);
  });
}

optim_status optim_loss_scale_update(optim_engine* engine, const optim_loss_scale_options* options,
                                     optim_loss_scale* state) {
  return guarded([&] {
    Engine& e = *require(engine, "engine").engine;
    const Options o = read_options(options);
    e.update_loss_scale(checked_state(e, state), o.settings);
  });
}
