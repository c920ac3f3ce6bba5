// Random inputs that subjects have in common.
#pragma once

#include "fuzz.h"

namespace optim_fuzz {

// A value that the range of the hyper-parameter has. `tame` values are of the size that training uses.
double valid_value(Random& random, const Hyper& hyper, bool tame = true);

// One that it does not have.
double invalid_value(Random& random, const Hyper& hyper);

// Of `most` elements at most, `longest` in a dimension, with empty shapes and single numbers among them.
Shape draw_shape(Random& random, int64_t most, int64_t longest = INT64_MAX);

// Dense strides with dimension 0 outermost; a dimension of one may have any.
Shape draw_strides(Random& random, const Shape& shape);

// Replaces some elements by numbers that are not finite.
void spoil(Random& random, Values& values);

}  // namespace optim_fuzz
