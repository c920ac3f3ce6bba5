// Gradient surgery.
#include "abi/written.h"
#include "helpers/pcgrad.h"

using namespace optim;
using namespace optim::abi;

namespace {

void check_sizes(int64_t task_count, int64_t tensor_count, int32_t reduction) {
  if (task_count < 1 || task_count > max_tasks) invalid("task_count is ", task_count, "; allowed are 1 to ", max_tasks);
  if (tensor_count < 0 || tensor_count > INT32_MAX / task_count) {
    invalid("tensor_count is ", tensor_count, "; allowed are 0 to ", INT32_MAX / task_count, " with ", task_count,
            " tasks");
  }
  if (reduction != OPTIM_REDUCTION_SUM && reduction != OPTIM_REDUCTION_MEAN) {
    invalid("reduction is ", reduction, "; allowed are OPTIM_REDUCTION_SUM (0) and OPTIM_REDUCTION_MEAN (1)");
  }
}

std::vector<std::int32_t> read_order(const int64_t* order, int tasks) {
  std::vector<std::int32_t> result;
  for (int i = 0; i < tasks; ++i) {
    bool seen[max_tasks] = {};
    seen[i] = true;
    for (int k = 0; k + 1 < tasks; ++k) {
      const int64_t other = order != nullptr ? order[i * (tasks - 1) + k] : k + (k >= i);
      if (other < 0 || other >= tasks || seen[other]) {
        invalid("order[", i, "][", k, "] is ", other, "; allowed is each of the ", tasks, " tasks but ", i, " once");
      }
      seen[other] = true;
      result.push_back(static_cast<std::int32_t>(other));
    }
  }
  return result;
}

void check_precision(const Layout& layout, const Name& what, const Layout& first) {
  if ((layout.dtype == DType::f64) != (first.dtype == DType::f64)) {
    invalid(what, " is ", name_of(layout.dtype), " and merged[0] ", name_of(first.dtype),
            "; tensors must be all F64 or none");
  }
}

void check_shape(const Layout& grad, const Name& what, const Layout& merged, std::size_t tensor) {
  if (!grad.agrees_with(merged)) {
    invalid(what, " and merged[", tensor, "] differ in shape or strides; they must agree");
  }
}

}  // namespace

optim_status optim_pcgrad(optim_engine* engine, int64_t task_count, int64_t tensor_count,
                          const optim_tensor* task_grads, const optim_tensor* merged, const int64_t* order,
                          int32_t reduction) {
  return guarded([&] {
    Engine& e = *require(engine, "engine").engine;
    check_sizes(task_count, tensor_count, reduction);
    GradientSurgery surgery{};
    surgery.tasks = static_cast<int>(task_count);
    surgery.mean = reduction == OPTIM_REDUCTION_MEAN;
    surgery.order = read_order(order, surgery.tasks);
    const Written targets = read_written(e, merged, tensor_count, "merged", "tensor_count");
    const auto tensors = static_cast<std::size_t>(tensor_count);
    for (std::size_t i = 0; i < tensors; ++i)
      check_precision(targets.layouts[i], Name("merged", static_cast<std::int64_t>(i)), targets.layouts[0]);
    surgery.in_double = tensors > 0 && targets.layouts[0].dtype == DType::f64;
    surgery.merged = targets.buffers;
    const WrittenRanges written(surgery.merged, "merged");
    const std::vector<optim_tensor> grads = read_tensors(task_grads, task_count * tensor_count, "task_grads");
    for (std::size_t i = 0; i < grads.size(); ++i) {
      const std::size_t tensor = i % tensors;
      const Name what("task_grads", static_cast<std::int64_t>(i / tensors), static_cast<std::int64_t>(tensor));
      const Layout layout = layout_of(grads[i], what);
      check_shape(layout, what, targets.layouts[tensor], tensor);
      check_precision(layout, what, targets.layouts[0]);
      const TensorBuffer grad = checked_buffer(e, grads[i], layout, what);
      surgery.grads.push_back(grad);
      if (grad.data == nullptr || grad.count == 0) continue;
      const std::int64_t overlapping = written.overlapping(grad);
      const TensorBuffer& target = surgery.merged[tensor];
      const bool in_place =
          overlapping == static_cast<std::int64_t>(tensor) && grad.data == target.data && grad.dtype == target.dtype;
      if (overlapping >= 0 && !in_place) {
        invalid(what, " overlaps merged[", overlapping,
                "]; a merged gradient may only take the place of one of its own");
      }
    }
    e.merge_gradients(surgery);
  });
}
