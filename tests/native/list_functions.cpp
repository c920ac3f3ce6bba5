#include "list_functions.h"

namespace optim_test {

const std::vector<ListFunction>& list_functions() {
  using T = const optim_tensor*;
  using E = optim_engine*;
  const auto single = [](const char* name, auto call) {
    return ListFunction{name, false, false, false, [call](E e, int64_t n, T a, T) { return call(e, n, a); }};
  };
  static const std::vector<ListFunction> table{
      single("optim_clip_grad_value", [](E e, int64_t n, T a) { return optim_clip_grad_value(e, n, a, 0.75); }),
      single("optim_clip_grad_norm",
             [](E e, int64_t n, T a) { return optim_clip_grad_norm(e, n, a, 2.5, 2, 0, nullptr); }),
      single("optim_softplus", [](E e, int64_t n, T a) { return optim_softplus(e, n, a, 0); }),
      single("optim_centralize", [](E e, int64_t n, T a) { return optim_centralize(e, n, a, 0); }),
      single("optim_normalize", [](E e, int64_t n, T a) { return optim_normalize(e, n, a, 0, 0); }),
      single("optim_norm_loss", [](E e, int64_t n, T a) { return optim_norm_loss(e, n, a, 0.1, 0.5, 0); }),
      {"optim_agc", true, false, false, [](E e, int64_t n, T a, T b) { return optim_agc(e, n, b, a, 0.05, 0, 0); }},
      {"optim_stable_weight_decay", true, false, true,
       [](E e, int64_t n, T a, T b) { return optim_stable_weight_decay(e, n, a, b, 0.1, 0.5, 0.99, 3, nullptr); }},
      {"optim_lookahead", true, true, false, [](E e, int64_t n, T a, T b) { return optim_lookahead(e, n, a, b, 0.6); }},
      {"optim_sam_restore", true, false, false, [](E e, int64_t n, T a, T b) { return optim_sam_restore(e, n, a, b); }},
  };
  return table;
}

TensorList::TensorList(Engine& engine, const std::vector<Shape>& shapes, int32_t dtype, int64_t offset) {
  for (const Shape& shape : shapes) {
    buffers_.push_back(std::make_unique<Buffer>(engine, dtype, numel(shape), offset));
    views_.push_back(tensor_view(shape, dtype, buffers_.back()->data()));
  }
}

void TensorList::write(const std::vector<Values>& values) {
  for (size_t i = 0; i < values.size(); ++i) buffers_[i]->write(values[i]);
}

std::vector<Values> TensorList::values() const {
  std::vector<Values> all;
  for (const auto& buffer : buffers_) all.push_back(buffer->values());
  return all;
}

std::vector<Bytes> TensorList::bytes() const {
  std::vector<Bytes> all;
  for (const auto& buffer : buffers_) all.push_back(buffer->bytes());
  return all;
}

}  // namespace optim_test
