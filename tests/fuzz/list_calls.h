// Functions over lists of tensors with random options, each beside a plain loop in double that does the same.
#pragma once

#include <functional>

#include "draw.h"

namespace optim_fuzz {

// Values in logical order, one entry per tensor. `gain` is by how much the function may multiply what rounding did to its
// numbers.
struct ListValues {
  std::vector<Shape> shapes;
  std::vector<Values> a, b;
  double output = 0;
  double gain = 1;
};

struct ListCall {
  const char* name;
  bool pairs = false;
  bool same_dtype = false;       // of both lists
  bool positive = false;         // the second list holds second moments
  bool heeds_nonfinite = false;  // the loop also knows what becomes of numbers that are not finite
  // Options as they were drawn; NaN in their place is refused. Host and device outputs go to *output.
  std::function<optim_status(Engine&, int64_t, const optim_tensor* a, const optim_tensor* b, double* output)> call = {};
  std::function<optim_status(Engine&, int64_t, const optim_tensor* a, const optim_tensor* b)> invalid = {};
  std::function<void(ListValues&)> loop = {};
};

ListCall draw_list_call(Random& random);

}  // namespace optim_fuzz
