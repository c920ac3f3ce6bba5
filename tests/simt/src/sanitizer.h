// Calls into the address sanitizer, or nothing when the build has none.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

namespace simt::sanitizer {
constexpr bool present = true;
inline void forbid(const void* address, std::size_t bytes) { __asan_poison_memory_region(address, bytes); }
inline void allow(const void* address, std::size_t bytes) { __asan_unpoison_memory_region(address, bytes); }
inline void leave(void** fake_stack, const void* bottom, std::size_t bytes) {
  __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
}
inline void arrive(void* fake_stack, const void** left_bottom, std::size_t* left_bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, left_bottom, left_bytes);
}
}  // namespace simt::sanitizer

#else

namespace simt::sanitizer {
constexpr bool present = false;
inline void forbid(const void*, std::size_t) {}
inline void allow(const void*, std::size_t) {}
inline void leave(void**, const void*, std::size_t) {}
inline void arrive(void*, const void**, std::size_t*) {}
}  // namespace simt::sanitizer

#endif
