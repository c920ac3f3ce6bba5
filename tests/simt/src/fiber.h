// A stack of its own that can be left in the middle of a call and resumed later.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace simt {

class fiber {
 public:
  fiber() = default;  // stands for the stack of the host thread that first switches away from it
  explicit fiber(void (*entry)());
  ~fiber();
  fiber(const fiber&) = delete;
  fiber& operator=(const fiber&) = delete;

  // Forgets whatever was suspended on the stack; the next resume calls `entry` afresh.
  void restart();

  // Suspends the caller, which runs on `from`, and goes on with `to`.
  static void resume(fiber& from, fiber& to);

 private:
  static void begin();
  void arrive(void* fake_stack);

  void (*entry_)() = nullptr;
  char* mapping_ = nullptr;
  const void* bottom_ = nullptr;  // the address sanitizer asks where the stack lies
  std::size_t size_ = 0;
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_;
#endif
};

}  // namespace simt
