// Tolerances of the golden tests, from the measured float32 errors that accompany the cases (tests/golden/README.md).
#pragma once

#include <string>

#include "numbers.h"

namespace optim_test {

class Tolerance {
 public:
  // For results of float arithmetic. Throws when neither table has the case.
  static Tolerance float32(const std::string& golden_case);

  // For results of double arithmetic. The references are float64 runs by an independent implementation; both sides
  // round at 1e-16 and the longest chain (12 steps, a norm over 4000 elements, a matrix root of condition 1e5)
  // amplifies that to 4e-12 (fourth column of float32-error-b.tsv), so 1e-9 leaves room for another order of summation
  // and no more.
  static Tolerance float64();

  // Bounds on ||actual - expected||.
  double param(const Values& expected, const Values& initial) const;
  double state(const Values& expected) const;
  double output(const Values& expected) const;

 private:
  double param_ = 0;
  double state_ = 0;
  bool with_initial_ = false;  // parameters are measured against ||expected|| + ||initial||
};

}  // namespace optim_test
