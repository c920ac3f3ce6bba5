#include "abi/boundary.h"

#include <cmath>

#include "core/hyper_info.h"
#include "helpers/options.h"

namespace optim::abi {
namespace {

thread_local std::string last_error;

// A member of optim_helpers: 0 stands for its default.
template <class Option>
double read(Option option, double given) {
  if (given == 0) return helper_options::all[option];
  if (!Option::allowed.contains(given)) {
    invalid("helpers.", Option::name, " is ", given, "; allowed is ", allowed_values(Option::allowed));
  }
  return given;
}

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
    const Name element(name, i);
    result.push_back(read_struct(reinterpret_cast<const optim_tensor*>(address), element));
    if (i == 0) stride = result[0].size;
    if (result.back().size != stride)
      invalid(element, ".size is ", result.back().size, "; all of the array must be ", stride);
  }
  return result;
}

Layout layout_of(const optim_tensor& tensor, const Name& name) {
  if (tensor.layout != OPTIM_ROW_MAJOR && tensor.layout != OPTIM_STRIDED) {
    invalid(name, ".layout is ", tensor.layout, "; allowed are OPTIM_ROW_MAJOR (0) and OPTIM_STRIDED (1)");
  }
  if (tensor.reserved != 0) invalid(name, ".reserved is ", tensor.reserved, "; it must be 0");
  const bool strided = tensor.layout == OPTIM_STRIDED;
  for (int i = 0; i < OPTIM_MAX_RANK && !strided; ++i) {
    if (tensor.strides[i] == 0) continue;
    invalid(name, ".strides[", i, "] is ", tensor.strides[i],
            ", and layout OPTIM_ROW_MAJOR (0), of which all are 0; OPTIM_STRIDED (1) takes strides");
  }
  return checked_layout(name, tensor.dtype, tensor.rank, tensor.shape, strided ? tensor.strides : nullptr);
}

HelperSettings read_helpers(const optim_helpers* from) {
  using namespace helper_options;
  const optim_helpers h = read_struct(from, "helpers");
  if (h.reserved != 0) invalid("helpers.reserved is ", h.reserved, "; it must be 0");
  HelperSettings s;
  s.skip_nonfinite = read(skip_nonfinite, h.skip_nonfinite) != 0;
  s.centralize = read(centralize, h.centralize) != 0;
  s.centralize_conv_only = read(centralize_conv_only, h.centralize_conv_only) != 0;
  s.normalize = read(normalize, h.normalize) != 0;
  s.normalize_channels = read(normalize_channels, h.normalize_channels) != 0;
  s.lookahead_k = static_cast<std::int32_t>(read(lookahead_k, h.lookahead_k));
  const auto pullback = static_cast<Pullback>(static_cast<int>(read(lookahead_pullback, h.lookahead_pullback)));
  s.pullback = s.lookahead_k > 0 ? pullback : Pullback::none;
  s.clip_value = read(clip_value, h.clip_value);
  s.clip_norm = read(clip_norm, h.clip_norm);
  s.clip_norm_type = read(clip_norm_type, h.clip_norm_type);
  if (s.clip_norm_type != 1 && s.clip_norm_type != 2 && !std::isinf(s.clip_norm_type)) {
    invalid("helpers.clip_norm_type is ", h.clip_norm_type, "; allowed are 1, 2 and infinity");
  }
  s.clip_norm_eps = read(clip_norm_eps, h.clip_norm_eps);
  s.agc_clip_val = read(agc_clip_val, h.agc_clip_val);
  s.agc_eps = read(agc_eps, h.agc_eps);
  s.agc_division_eps = read(agc_division_eps, h.agc_division_eps);
  s.normalize_eps = read(normalize_eps, h.normalize_eps);
  s.stable_weight_decay = read(stable_weight_decay, h.stable_weight_decay);
  s.norm_loss_factor = read(norm_loss_factor, h.norm_loss_factor);
  s.norm_loss_eps = read(norm_loss_eps, h.norm_loss_eps);
  s.lookahead_alpha = read(lookahead_alpha, h.lookahead_alpha);
  return s;
}

}  // namespace optim::abi

extern "C" const char* optim_last_error(void) { return optim::abi::last_error.c_str(); }
