// A stand-in for TorchSharp's native library over Debian's libtorch: the entry points that managed/Optim.TorchSharp
// declares, with the signatures and error conventions of LibTorchSharp, and "standin_" functions by which the tests
// make tensors and train.
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mse_loss.h>

#include <cstring>
#include <exception>
#include <utility>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

thread_local char* last_error = nullptr;

// Errors of libtorch are left for THSTorch_get_and_reset_last_err, and the call returns 0.
template <class F>
auto guarded(F f) -> decltype(f()) {
  last_error = nullptr;
  try {
    return f();
  } catch (const std::exception& error) {
    last_error = strdup(error.what());
  }
  return decltype(f())();
}

at::Tensor* give(at::Tensor tensor) { return tensor.defined() ? new at::Tensor(std::move(tensor)) : nullptr; }

}  // namespace

EXPORT const char* THSTorch_get_and_reset_last_err() { return std::exchange(last_error, nullptr); }

EXPORT void* THSTensor_data(const at::Tensor* t) {
  return guarded([&] { return t->data_ptr(); });
}
EXPORT at::Tensor* THSTensor_grad(const at::Tensor* t) {
  return guarded([&] { return give(t->grad()); });
}
EXPORT void THSTensor_set_grad(const at::Tensor* t, const at::Tensor* grad) {
  guarded([&] { t->mutable_grad() = grad != nullptr ? *grad : at::Tensor(); });
}
EXPORT void THSInit_zeros_(at::Tensor* t) {
  guarded([&] {
    at::NoGradGuard no_grad;
    t->zero_();
  });
}
EXPORT int64_t THSTensor_ndimension(const at::Tensor* t) {
  return guarded([&] { return t->dim(); });
}
EXPORT int64_t THSTensor_size(const at::Tensor* t, int64_t dim) {
  return guarded([&] { return t->size(dim); });
}
EXPORT int64_t THSTensor_stride(const at::Tensor* t, int64_t dim) {
  return guarded([&] { return t->stride(dim); });
}
EXPORT int8_t THSTensor_type(const at::Tensor* t) {
  return guarded([&] { return static_cast<int8_t>(t->scalar_type()); });
}
EXPORT int32_t THSTensor_device_type(const at::Tensor* t) { return static_cast<int32_t>(t->device().type()); }
EXPORT int32_t THSTensor_device_index(const at::Tensor* t) { return t->device().index(); }
EXPORT bool THSTensor_is_sparse(const at::Tensor* t) {
  return guarded([&] { return t->is_sparse(); });
}
EXPORT bool THSTensor_is_leaf(const at::Tensor* t) {
  return guarded([&] { return t->is_leaf(); });
}
EXPORT int64_t THSTensor_is_neg(const at::Tensor* t) {
  return guarded([&] { return static_cast<int64_t>(t->is_neg()); });
}
EXPORT at::Tensor* THSTensor_resolve_neg(const at::Tensor* t) {
  return guarded([&] { return give(t->resolve_neg()); });
}
EXPORT at::Tensor* THSTensor_detach(const at::Tensor* t) {
  return guarded([&] { return give(t->detach()); });
}
EXPORT void THSTensor_dispose(at::Tensor* t) { delete t; }

// A leaf of a c10::ScalarType with the given values, of any strides, on the CPU.
EXPORT at::Tensor* standin_tensor(const double* values, const int64_t* sizes, int32_t rank, int8_t type,
                                  bool requires_grad) {
  return guarded([&] {
    auto doubles = at::from_blob(const_cast<double*>(values), at::IntArrayRef(sizes, rank), at::kDouble);
    auto tensor = at::empty(doubles.sizes(), at::TensorOptions(static_cast<at::ScalarType>(type)));
    tensor.copy_(doubles);
    return give(tensor.requires_grad_(requires_grad));
  });
}

// A leaf over the first elements of the same storage.
EXPORT at::Tensor* standin_strided(const at::Tensor* t, const int64_t* sizes, const int64_t* strides, int32_t rank) {
  return guarded(
      [&] { return give(t->detach().as_strided(at::IntArrayRef(sizes, rank), at::IntArrayRef(strides, rank))); });
}

// Other forms of the same values: "sparse", "csr", "meta" (of no device), "square" (not a leaf), "negated" (the other sign,
// pending), "tied" (the same tensor).
EXPORT at::Tensor* standin_form(const at::Tensor* t, const char* form) {
  return guarded([&] {
    if (!std::strcmp(form, "square")) return give(t->mul(*t));
    if (!std::strcmp(form, "tied")) return give(*t);
    auto values = t->detach();
    if (!std::strcmp(form, "negated")) return give(values._neg_view());
    if (!std::strcmp(form, "sparse")) return give(values.to_sparse());
    if (!std::strcmp(form, "csr")) return give(values.to_sparse_csr());
    return give(values.to(at::Device(at::kMeta)));
  });
}

// Makes a tensor use the memory of another.
EXPORT void standin_set_data(at::Tensor* t, const at::Tensor* data) {
  guarded([&] { t->set_data(*data); });
}

// How many handles and gradients are the same tensor.
EXPORT int64_t standin_tensor_uses(const at::Tensor* t) {
  return guarded([&] { return static_cast<int64_t>(t->use_count()); });
}

// How many tensors share the memory.
EXPORT int64_t standin_storage_uses(const at::Tensor* t) {
  return guarded([&] { return static_cast<int64_t>(t->storage().use_count()); });
}

EXPORT void standin_read(const at::Tensor* t, double* values) {
  guarded([&] {
    auto doubles = t->detach().to(at::kDouble).contiguous();
    std::memcpy(values, doubles.data_ptr(), doubles.nbytes());
  });
}

// Mean squared error of a perceptron of any depth, tanh between its layers, whose weights and biases alternate in
// `layers`; backward() adds to the gradients of all of them.
EXPORT double standin_backward(at::Tensor* const* layers, int32_t count, const at::Tensor* x, const at::Tensor* y) {
  return guarded([&] {
    auto h = *x;
    for (int32_t i = 0; i < count; i += 2) {
      if (i > 0) h = h.tanh();
      h = h.matmul(layers[i]->t()).add(*layers[i + 1]);
    }
    auto loss = at::mse_loss(h, *y);
    loss.backward();
    return loss.item().toDouble();
  });
}
