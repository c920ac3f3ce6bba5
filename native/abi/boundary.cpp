#include "abi/boundary.h"

#include <cmath>

namespace optim::abi {
namespace {

thread_local std::string last_error;

double or_default(double value, double otherwise) { return value == 0 ? otherwise : value; }

}  // namespace

void set_last_error(const char* text) noexcept {
  try {
    last_error = text;
    // A name that the caller gave may hold anything; the error stays one line of sound UTF-8.
    for (char& c : last_error) c = c >= ' ' && c <= '~' ? c : '?';
  } catch (...) {
    last_error.clear();
  }
}

bool flag(const char* name, std::int32_t value) {
  if (value != 0 && value != 1) invalid(name, " is ", value, "; allowed are 0 and 1");
  return value == 1;
}

double at_least(const char* name, double value, double minimum) {
  if (!(value >= minimum) || std::isinf(value))
    invalid(name, " is ", value, "; allowed is a finite number of at least ", minimum);
  return value;
}

std::vector<optim_tensor> read_tensors(const optim_tensor* tensors, std::int64_t count, const char* name,
                                       const char* count_name) {
  require_count(count, count_name);
  if (count > 0 && tensors == nullptr) invalid(name, " is NULL");
  std::vector<optim_tensor> result;
  std::uint64_t stride = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto* const address = reinterpret_cast<const char*>(tensors) + static_cast<std::uint64_t>(i) * stride;
    const std::string element = message(name, "[", i, "]");
    result.push_back(read_struct(reinterpret_cast<const optim_tensor*>(address), element));
    if (i == 0) stride = result[0].size;
    if (result.back().size != stride)
      invalid(element, ".size is ", result.back().size, "; all of the array must be ", stride);
  }
  return result;
}

Layout layout_of(const optim_tensor& tensor, const std::string& name) {
  return checked_layout(name, tensor.dtype, tensor.rank, tensor.shape, tensor.strides);
}

HelperSettings read_helpers(const optim_helpers* from) {
  const optim_helpers h = read_struct(from, "helpers");
  HelperSettings s;
  s.skip_nonfinite = flag("helpers.skip_nonfinite", h.skip_nonfinite);
  s.centralize = flag("helpers.centralize", h.centralize);
  s.centralize_conv_only = flag("helpers.centralize_conv_only", h.centralize_conv_only);
  s.normalize = flag("helpers.normalize", h.normalize);
  s.normalize_channels = flag("helpers.normalize_channels", h.normalize_channels);
  if (h.lookahead_k < 0) invalid("helpers.lookahead_k is ", h.lookahead_k, "; allowed is 0 (off) or more");
  s.lookahead_k = h.lookahead_k;
  if (h.lookahead_pullback < OPTIM_PULLBACK_NONE || h.lookahead_pullback > OPTIM_PULLBACK_PULLBACK) {
    invalid("helpers.lookahead_pullback is ", h.lookahead_pullback, "; allowed are 0 (none), 1 (reset), 2 (pullback)");
  }
  s.pullback = h.lookahead_k > 0 ? static_cast<Pullback>(h.lookahead_pullback) : Pullback::none;
  if (h.reserved != 0) invalid("helpers.reserved is ", h.reserved, "; it must be 0");
  s.clip_value = at_least("helpers.clip_value", h.clip_value, 0);
  s.clip_norm = at_least("helpers.clip_norm", h.clip_norm, 0);
  s.clip_norm_type = or_default(h.clip_norm_type, 2);
  if (s.clip_norm_type != 1 && s.clip_norm_type != 2 && !(std::isinf(s.clip_norm_type) && s.clip_norm_type > 0)) {
    invalid("helpers.clip_norm_type is ", h.clip_norm_type, "; allowed are 1, 2 and infinity");
  }
  s.clip_norm_eps = or_default(at_least("helpers.clip_norm_eps", h.clip_norm_eps, 0), s.clip_norm_eps);
  s.agc_clip_val = at_least("helpers.agc_clip_val", h.agc_clip_val, 0);
  s.agc_eps = or_default(at_least("helpers.agc_eps", h.agc_eps, 0), s.agc_eps);
  s.agc_division_eps = or_default(at_least("helpers.agc_division_eps", h.agc_division_eps, 0), s.agc_division_eps);
  s.normalize_eps = or_default(at_least("helpers.normalize_eps", h.normalize_eps, 0), s.normalize_eps);
  s.stable_weight_decay = at_least("helpers.stable_weight_decay", h.stable_weight_decay, 0);
  s.norm_loss_factor = at_least("helpers.norm_loss_factor", h.norm_loss_factor, 0);
  s.norm_loss_eps = or_default(at_least("helpers.norm_loss_eps", h.norm_loss_eps, 0), s.norm_loss_eps);
  s.lookahead_alpha = at_least("helpers.lookahead_alpha", h.lookahead_alpha, 0);
  if (s.lookahead_alpha > 1) invalid("helpers.lookahead_alpha is ", s.lookahead_alpha, "; allowed is [0, 1]");
  return s;
}

}  // namespace optim::abi

extern "C" const char* optim_last_error(void) { return optim::abi::last_error.c_str(); }
