#include "grid.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "fiber.h"
#include "report.h"
#include "sanitizer.h"
#include "simt/control.h"
#include "simt/device.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace simt {
namespace {

enum class status { ready, at_barrier, in_warp, exited };

// What a lane hands to a warp operation and takes from it.
struct warp_exchange {
  int source;  // lane a shuffle reads, -1 for a ballot
  bool vote;
  const void* posted;
  void* received;
  std::size_t bytes;
};

struct cuda_thread {
  uint3 index;
  status now;
  fiber* on;  // null before the first instruction
  // What it waits in:
  const char* operation;
  place at;
  unsigned int mask;
  warp_exchange exchange;
  unsigned int ballot;
};

// Threads that can go on, first come first served; each is in it at most once.
class ready_queue {
 public:
  bool empty() const { return first_ == end_; }
  void clear() { first_ = end_ = 0; }
  void push(unsigned int thread) { items_[end_++ % items_.size()] = thread; }
  unsigned int pop() { return items_[first_++ % items_.size()]; }

 private:
  std::array<unsigned int, max_block_threads> items_;
  unsigned int first_ = 0, end_ = 0;
};

class executor {
 public:
  bool run(const launch_shape& shape, const std::function<void()>& body, order& sequence);

  votes block_barrier(bool vote, place at);
  unsigned int warp_operation(unsigned int mask, const warp_exchange& exchange, const char* operation, place at);
  // Two calls, since what lives on the stack that give_up() leaves is never destroyed.
  void report(const std::string& reason, place at);
  [[noreturn]] void give_up();
  unsigned int live_lanes() const;
  int lane() const { return static_cast<int>(current_ % warpSize); }
  void* dynamic_shared() { return dynamic_.get(); }
  void* static_shared(const void* site, std::size_t bytes, std::size_t alignment, place at);

 private:
  static void fiber_body();

  void run_block();
  void run_threads();
  void run_others();
  void complete_warp(unsigned int first, unsigned int lanes);
  bool take_next();
  void go_on_with(fiber& next);
  fiber* idle_fiber();
  void make_ready(unsigned int thread);
  void queue_released();
  void release_barrier();
  void abandon_fibers();
  std::string describe_waiting() const;

  cuda_thread& self() { return threads_[current_]; }
  unsigned int warp_lanes(unsigned int first) const {
    const unsigned int lanes = thread_count_ - first;
    return lanes >= 32 ? 0xffffffffu : (1u << lanes) - 1;
  }

  launch_shape shape_{};
  const std::function<void()>* body_ = nullptr;
  order* order_ = nullptr;

  std::vector<cuda_thread> threads_;
  unsigned int thread_count_ = 0, live_ = 0, current_ = 0;
  ready_queue ready_;
  std::vector<unsigned int> released_;  // on their way into ready_

  unsigned int at_barrier_ = 0, yes_ = 0;
  votes barrier_result_{};
  std::array<unsigned int, max_block_threads / 32> in_warp_{};  // per warp, lanes inside a warp operation

  fiber host_;
  std::vector<std::unique_ptr<fiber>> fibers_;
  std::vector<fiber*> idle_;
  fiber* running_ = &host_;
  bool failed_ = false;

  // Twice the limit leaves room for the gaps that the address sanitizer watches.
  std::unique_ptr<unsigned char[]> static_{new unsigned char[2 * max_static_shared]};
  std::unique_ptr<unsigned char[]> dynamic_{new unsigned char[max_dynamic_shared]};
  std::size_t static_bytes_ = 0, static_end_ = 0;
  std::vector<std::pair<const void*, void*>> variables_;
};

executor& device() {
  static executor& instance = *new executor;  // never destroyed: kernels may run while the process ends
  return instance;
}

bool executor::run(const launch_shape& shape, const std::function<void()>& body, order& sequence) {
  shape_ = shape;
  body_ = &body;
  order_ = &sequence;
  failed_ = false;
  gridDim = shape.grid;
  blockDim = shape.block;
  thread_count_ = shape.block.x * shape.block.y * shape.block.z;
  threads_.assign(thread_count_, cuda_thread{});
  for (unsigned int i = 0; i < thread_count_; ++i) {
    const unsigned int row = i / shape.block.x;
    threads_[i].index = {i % shape.block.x, row % shape.block.y, row / shape.block.y};
  }
  sanitizer::forbid(dynamic_.get() + shape.shared_bytes, max_dynamic_shared - shape.shared_bytes);

  std::vector<std::size_t> blocks(std::size_t{shape.grid.x} * shape.grid.y * shape.grid.z);
  std::iota(blocks.begin(), blocks.end(), std::size_t{0});
  sequence.arrange(blocks.data(), blocks.size());
  for (const std::size_t block : blocks) {
    const std::size_t row = block / shape.grid.x;
    blockIdx = {static_cast<unsigned int>(block % shape.grid.x), static_cast<unsigned int>(row % shape.grid.y),
                static_cast<unsigned int>(row / shape.grid.y)};
    run_block();
    if (failed_) break;
  }
  sanitizer::allow(static_.get(), 2 * max_static_shared);
  sanitizer::allow(dynamic_.get(), max_dynamic_shared);
  return !failed_;
}

void executor::run_block() {
  std::memset(dynamic_.get(), garbage, shape_.shared_bytes);
  sanitizer::forbid(static_.get(), 2 * max_static_shared);
  static_bytes_ = static_end_ = 0;
  variables_.clear();
  live_ = thread_count_;
  at_barrier_ = yes_ = 0;
  in_warp_.fill(0);
  ready_.clear();
  for (unsigned int i = 0; i < thread_count_; ++i) {
    threads_[i].on = nullptr;
    make_ready(i);
  }
  queue_released();

  take_next();
  self().on = idle_fiber();
  go_on_with(*self().on);

  if (!failed_ && live_ > 0) {
    std::fprintf(stderr, "simt: kernel %s, block %s: deadlock, %u of %u threads wait for what cannot come\n%s",
                 kernel_name(shape_.kernel).c_str(), coordinates(blockIdx).c_str(), live_, thread_count_,
                 describe_waiting().c_str());
    failed_ = true;
  }
  if (failed_) abandon_fibers();
}

void executor::fiber_body() {
  for (;;) device().run_threads();
}

// Runs the current thread to its end and then, on the same stack, threads that have not begun: those that never wait
// cost no switch. Leaves the stack idle as soon as it is the turn of a thread that lives on another one.
void executor::run_threads() {
  fiber* const mine = running_;
  bool another = true;
  do {
    (*body_)();
    self().now = status::exited;
    --live_;
    // A thread that has exited is waited for no longer, as on compute capability 7.0 and later.
    if (live_ > 0 && at_barrier_ == live_) release_barrier();
    another = take_next();
    if (another && !self().on) {
      self().on = mine;
      continue;
    }
    break;
  } while (true);
  idle_.push_back(mine);
  go_on_with(another ? *self().on : host_);
}

// Leaves the current thread where it is until its turn comes again; comes back to the host if nobody can go on.
void executor::run_others() {
  if (!take_next()) return go_on_with(host_);
  if (!self().on) self().on = idle_fiber();
  go_on_with(*self().on);
}

void executor::go_on_with(fiber& next) {
  fiber* const from = running_;
  if (from == &next) return;
  running_ = &next;
  fiber::resume(*from, next);
}

bool executor::take_next() {
  if (ready_.empty()) return false;
  current_ = ready_.pop();
  threadIdx = self().index;
  return true;
}

fiber* executor::idle_fiber() {
  if (idle_.empty()) {
    fibers_.push_back(std::make_unique<fiber>(&executor::fiber_body));
    return fibers_.back().get();
  }
  fiber* const taken = idle_.back();
  idle_.pop_back();
  return taken;
}

void executor::make_ready(unsigned int thread) {
  threads_[thread].now = status::ready;
  released_.push_back(thread);
}

void executor::queue_released() {
  order_->arrange(released_.data(), released_.size());
  for (const unsigned int thread : released_) ready_.push(thread);
  released_.clear();
}

votes executor::block_barrier(bool vote, place at) {
  cuda_thread& me = self();
  me.now = status::at_barrier;
  me.operation = "__syncthreads";
  me.at = at;
  ++at_barrier_;
  yes_ += vote;
  if (at_barrier_ == live_) release_barrier();
  run_others();
  return barrier_result_;
}

void executor::release_barrier() {
  const cuda_thread* first = nullptr;
  for (unsigned int i = 0; i < thread_count_; ++i) {
    cuda_thread& thread = threads_[i];
    if (thread.now != status::at_barrier) continue;
    if (!first) first = &thread;
    const bool same_file = thread.at.file == first->at.file || std::strcmp(thread.at.file, first->at.file) == 0;
    if (thread.at.line != first->at.line || !same_file) {
      report(text("thread %s waits at the barrier %s, thread %s at the barrier %s", coordinates(first->index).c_str(),
                  location(first->at).c_str(), coordinates(thread.index).c_str(), location(thread.at).c_str()),
             thread.at);
      give_up();
    }
    make_ready(i);
  }
  barrier_result_ = {yes_, at_barrier_};
  at_barrier_ = yes_ = 0;
  queue_released();
}

unsigned int executor::warp_operation(unsigned int mask, const warp_exchange& exchange, const char* operation,
                                      place at) {
  const unsigned int warp = current_ / 32, first = warp * 32, mine = 1u << (current_ % 32);
  const unsigned int lanes = mask & warp_lanes(first);
  if (!(lanes & mine)) {
    report(text("%s with mask 0x%08x, which does not name the calling lane", operation, mask), at);
    give_up();
  }
  if (exchange.source >= 0 && !(lanes >> exchange.source & 1)) {
    report(text("%s reads lane %d, which mask 0x%08x or the block does not have", operation, exchange.source, mask),
           at);
    give_up();
  }
  cuda_thread& me = self();
  me.now = status::in_warp;
  me.operation = operation;
  me.at = at;
  me.mask = mask;
  me.exchange = exchange;
  in_warp_[warp] |= mine;
  if ((in_warp_[warp] & lanes) == lanes) {
    in_warp_[warp] &= ~lanes;
    complete_warp(first, lanes);
  }
  run_others();
  return me.ballot;
}

// The last of the lanes has come; the values are still on the stacks of those that posted them.
void executor::complete_warp(unsigned int first, unsigned int lanes) {
  const cuda_thread& me = self();
  unsigned int ballot = 0;
  for (unsigned int lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    const cuda_thread& other = threads_[first + lane];
    const bool same = other.operation == me.operation || std::strcmp(other.operation, me.operation) == 0;
    if (other.mask != me.mask || other.exchange.bytes != me.exchange.bytes || !same) {
      report(text("%s with mask 0x%08x names lane %u, which waits in %s with mask 0x%08x at %s", me.operation, me.mask,
                  lane, other.operation, other.mask, location(other.at).c_str()),
             me.at);
      give_up();
    }
    if (other.exchange.vote) ballot |= 1u << lane;
  }
  for (unsigned int lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    cuda_thread& other = threads_[first + lane];
    other.ballot = ballot;
    if (other.exchange.source >= 0) {
      const cuda_thread& source = threads_[first + static_cast<unsigned int>(other.exchange.source)];
      std::memcpy(other.exchange.received, source.exchange.posted, other.exchange.bytes);
    }
    make_ready(first + lane);
  }
  queue_released();
}

unsigned int executor::live_lanes() const {
  const unsigned int first = current_ / 32 * 32;
  unsigned int lanes = warp_lanes(first);
  for (unsigned int lane = 0; lane < 32; ++lane)
    if ((lanes >> lane & 1) && threads_[first + lane].now == status::exited) lanes &= ~(1u << lane);
  return lanes;
}

void* executor::static_shared(const void* site, std::size_t bytes, std::size_t alignment, place at) {
  for (const auto& [known, address] : variables_)
    if (known == site) return address;
  static_bytes_ += bytes;
  if (static_bytes_ > max_static_shared) {
    report(text("shared variables of %zu bytes; the device has %zu a block", static_bytes_, max_static_shared), at);
    give_up();
  }
  constexpr std::size_t gap = 16;
  void* address = static_.get() + static_end_;
  std::size_t room = 2 * max_static_shared - static_end_;
  if (!std::align(alignment < 8 ? 8 : alignment, bytes, address, room)) {
    report("shared variables are too many or too much aligned", at);
    give_up();
  }
  static_end_ = static_cast<std::size_t>(static_cast<unsigned char*>(address) - static_.get()) + bytes + gap;
  if (static_end_ > 2 * max_static_shared) static_end_ = 2 * max_static_shared;
  sanitizer::allow(address, bytes);
  std::memset(address, garbage, bytes);
  variables_.emplace_back(site, address);
  return address;
}

void executor::report(const std::string& reason, place at) {
  std::fprintf(stderr, "simt: kernel %s, block %s, thread %s, %s: %s\n", kernel_name(shape_.kernel).c_str(),
               coordinates(blockIdx).c_str(), coordinates(threadIdx).c_str(), location(at).c_str(), reason.c_str());
  failed_ = true;
}

void executor::give_up() {
  go_on_with(host_);
  __builtin_unreachable();
}

// The stacks of a launch that was given up hold threads that will never go on.
void executor::abandon_fibers() {
  idle_.clear();
  released_.clear();
  for (const auto& stack : fibers_) {
    stack->restart();
    idle_.push_back(stack.get());
  }
}

std::string executor::describe_waiting() const {
  constexpr int most = 8;
  std::string lines;
  int written = 0;
  std::vector<bool> told(thread_count_);
  for (unsigned int i = 0; i < thread_count_; ++i) {
    const cuda_thread& thread = threads_[i];
    if (thread.now == status::exited || told[i]) continue;
    unsigned int alike = 0;
    for (unsigned int j = i; j < thread_count_; ++j) {
      const cuda_thread& other = threads_[j];
      const bool same = other.now == thread.now && other.at.line == thread.at.line &&
                        std::strcmp(other.at.file, thread.at.file) == 0 &&
                        (thread.now == status::at_barrier || (other.mask == thread.mask && j / 32 == i / 32));
      if (same) told[j] = true;
      alike += same;
    }
    if (++written > most) return lines + "  ...\n";
    lines += text("  thread %s and %u more: %s at %s", coordinates(thread.index).c_str(), alike - 1, thread.operation,
                  location(thread.at).c_str());
    if (thread.now == status::in_warp) {
      const unsigned int first = i / 32 * 32;
      unsigned int missing = thread.mask & warp_lanes(first);
      for (unsigned int lane = 0; lane < 32 && first + lane < thread_count_; ++lane) {
        const cuda_thread& other = threads_[first + lane];
        if (other.now == status::in_warp && other.mask == thread.mask) missing &= ~(1u << lane);
      }
      lines += text(", mask 0x%08x, still missing lanes 0x%08x", thread.mask, missing);
    }
    lines += '\n';
  }
  if (live_ < thread_count_) lines += text("  %u threads have exited\n", thread_count_ - live_);
  return lines;
}

}  // namespace

bool run_grid(const launch_shape& shape, const std::function<void()>& body, order& sequence) {
  return device().run(shape, body, sequence);
}

votes sync_block(bool vote, place at) { return device().block_barrier(vote, at); }

unsigned int sync_warp(unsigned int mask, bool vote, const char* operation, place at) {
  return device().warp_operation(mask, {-1, vote, nullptr, nullptr, 0}, operation, at);
}

void shuffle(unsigned int mask, const void* posted, void* received, std::size_t bytes, int source,
             const char* operation, place at) {
  device().warp_operation(mask, {source, false, posted, received, bytes}, operation, at);
}

unsigned int live_lanes() { return device().live_lanes(); }
int lane() { return device().lane(); }
void trap(const char* reason, place at) {
  device().report(reason, at);
  device().give_up();
}
void* dynamic_shared() { return device().dynamic_shared(); }
void* static_shared(const void* site, std::size_t bytes, std::size_t alignment, place at) {
  return device().static_shared(site, bytes, alignment, at);
}

}  // namespace simt
