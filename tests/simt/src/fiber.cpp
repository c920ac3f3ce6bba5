#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#include "sanitizer.h"

#if defined(__x86_64__)
// swapcontext makes a system call to save the signal mask, which no kernel changes. This saves what the System V ABI
// lets a callee keep: six registers and the stack pointer.
extern "C" void simt_switch_stack(void** save, void* load);
asm(R"(
.text
.type simt_switch_stack, @function
.hidden simt_switch_stack
.globl simt_switch_stack
simt_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size simt_switch_stack, .-simt_switch_stack
)");
#endif

namespace simt {
namespace {

// Sanitizers and -O0 blow frames up; untouched pages cost nothing.
constexpr std::size_t stack_bytes = sanitizer::present ? std::size_t{1} << 20 : std::size_t{1} << 18;

fiber* left = nullptr;      // the fiber last switched away from
fiber* arriving = nullptr;  // the fiber being switched to

std::size_t page() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

fiber::fiber(void (*entry)()) : entry_(entry) {
  void* memory = mmap(nullptr, page() + stack_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<char*>(memory);
  mprotect(mapping_, page(), PROT_NONE);  // a kernel that overflows its stack faults here
  bottom_ = mapping_ + page();
  // Tops at different offsets in their pages, so that the hot lines of many stacks do not fall into the same cache
  // sets.
  static unsigned int colour = 0;
  size_ = stack_bytes - (colour++ % 16) * 256;
  restart();
}

fiber::~fiber() {
  if (!mapping_) return;
  sanitizer::allow(bottom_, stack_bytes);
  munmap(mapping_, page() + stack_bytes);
}

void fiber::restart() {
  sanitizer::allow(bottom_, stack_bytes);
#if defined(__x86_64__)
  // What simt_switch_stack pops: six registers, then the address it returns to; above it lies the return
  // address of begin() itself, so that its frame has the alignment of a called function.
  auto* top = reinterpret_cast<void**>(reinterpret_cast<std::uintptr_t>(bottom_) + size_);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&fiber::begin);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  stack_pointer_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = const_cast<void*>(bottom_);
  context_.uc_stack.ss_size = size_;
  context_.uc_link = nullptr;
  makecontext(&context_, &fiber::begin, 0);
#endif
}

void fiber::begin() {
  fiber* self = arriving;
  self->arrive(nullptr);
  self->entry_();
  __builtin_unreachable();
}

void fiber::arrive(void* fake_stack) { sanitizer::arrive(fake_stack, &left->bottom_, &left->size_); }

void fiber::resume(fiber& from, fiber& to) {
  void* fake_stack = nullptr;
  left = &from;
  arriving = &to;
  sanitizer::leave(&fake_stack, to.bottom_, to.size_);
#if defined(__x86_64__)
  simt_switch_stack(&from.stack_pointer_, to.stack_pointer_);
#else
  swapcontext(&from.context_, &to.context_);
#endif
  from.arrive(fake_stack);
}

}  // namespace simt
