// Absurd sizes are part of what the tests ask for, so an allocation that the address sanitizer cannot make has to
// return NULL, as malloc does, instead of ending the process.
#if defined(__SANITIZE_ADDRESS__)
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options();  // found by this name
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
#endif
