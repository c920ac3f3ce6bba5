// The stand-alone helpers that work on lists of tensors, as one table, for tests that treat them all alike.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fixture.h"

namespace optim_test {

// `changed` are the tensors that the function writes (gradients, or parameters for the decays); `other` are what it
// compares them with, and are absent unless `pairs`.
struct ListFunction {
  std::string name;
  bool pairs;
  bool other_changes;   // lookahead moves both lists
  bool other_positive;  // the other list holds second moments
  std::function<optim_status(optim_engine*, int64_t, const optim_tensor* changed, const optim_tensor* other)> call;
};

const std::vector<ListFunction>& list_functions();

// Tensors with buffers, to be handed to such a function.
class TensorList {
 public:
  TensorList(Engine& engine, const std::vector<Shape>& shapes, int32_t dtype, int64_t offset = 0);

  int64_t count() const { return static_cast<int64_t>(views_.size()); }
  const optim_tensor* views() const { return views_.data(); }
  optim_tensor& view(size_t i) { return views_[i]; }
  Buffer& operator[](size_t i) { return *buffers_[i]; }
  void write(const std::vector<Values>& values);
  std::vector<Values> values() const;
  std::vector<Bytes> bytes() const;

 private:
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<optim_tensor> views_;
};

}  // namespace optim_test
