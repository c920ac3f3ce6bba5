// The mode of floating-point arithmetic: rounding to nearest, subnormal numbers kept. A caller's thread may have another one
// (programs switch on flush-to-zero for speed), and results must not depend on which thread computes them.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace optim {

// Sets the mode, and brings the caller's back at the end.
class FloatMode {
 public:
#if defined(__x86_64__)
  FloatMode() : before_(_mm_getcsr()) { set((before_ & flags) | standard); }
  ~FloatMode() { set((_mm_getcsr() & flags) | (before_ & ~flags)); }
#else
  FloatMode() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~FloatMode() { std::fesetenv(&before_); }
#endif
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 private:
#if defined(__x86_64__)
  static constexpr unsigned flags = 0x3f,
                            standard = 0x1f80;  // of exceptions that happened; all exceptions masked, nothing else
  static void set(unsigned mode) {
    if (mode != _mm_getcsr()) _mm_setcsr(mode);  // which takes longer than to look
  }
  unsigned before_;
#else
  std::fenv_t before_;
#endif
};

}  // namespace optim
