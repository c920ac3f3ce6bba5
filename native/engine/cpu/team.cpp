#include "engine/cpu/team.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <thread>

#include "core/float_mode.h"

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define OPTIM_FORKS 1
#endif

namespace optim::cpu {
namespace {

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr int looks = 4000;  // for work, or its end, before a thread sleeps: some 50 to 200 us

// The number that an environment variable begins with; 0: none that is above 0.
int number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  const long number = text != nullptr ? std::strtol(text, nullptr, 10) : 0;
  return static_cast<int>(std::clamp(number, 0L, 1L << 16));
}

}  // namespace

struct Team::Work {
  Call call;
  const void* body;
  int threads;
  std::atomic<int> left;  // workers that have not finished
  std::atomic<bool> failed{false};
  std::exception_ptr failure{};

  void take_part(int thread) {
    try {
      call(body, thread, threads);
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  }
};

// A worker looks for work for a while, since steps follow each other closely, and then sleeps.
class Team::Worker {
 public:
  Worker(Team& team, int number) : team_(team), number_(number), thread_([this] { serve(); }) { thread_.detach(); }

  void give(Work* work) {
    work_.store(work);
    if (!sleeps_.load()) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_one();
  }

 private:
  [[noreturn]] void serve() {
    const FloatMode mode;
    for (;;) {
      Work* const work = wait();
      work->take_part(number_);
      work_.store(nullptr);
      if (work->left.fetch_sub(1, std::memory_order_acq_rel) > 1) continue;  // from here on the work may be gone
      const std::lock_guard<std::mutex> lock(team_.mutex_);
      team_.done_.notify_one();
    }
  }

  Work* wait() {
    for (int i = 0; i < looks; ++i) {
      if (Work* const work = work_.load(std::memory_order_acquire)) return work;
      pause();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    sleeps_.store(true);
    wake_.wait(lock, [this] { return work_.load() != nullptr; });
    sleeps_.store(false);
    return work_.load();
  }

  Team& team_;
  const int number_;
  std::atomic<Work*> work_{nullptr};
  std::atomic<bool> sleeps_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;  // last: it uses the others
};

std::atomic<Team*> Team::current_{nullptr};

Team::Team(Team* former) : former_(former) {}
Team::~Team() = default;

Team& Team::of_process() {
#if defined(OPTIM_FORKS)
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(nullptr, nullptr, [] {
      Team* const parents = current_.load();
      if (parents != nullptr) current_.store(new Team(parents));  // its threads are made when they are needed
    });
  });
#endif
  Team* team = current_.load(std::memory_order_acquire);
  if (team != nullptr) return *team;
  auto made = std::unique_ptr<Team>(new Team(nullptr));
  if (current_.compare_exchange_strong(team, made.get())) return *made.release();
  return *team;
}

void Team::grow(int workers) {
  while (static_cast<int>(workers_.size()) < workers && !refused_) {
    try {
      workers_.reserve(workers_.size() + 1);  // a worker whose thread runs must not be lost
      workers_.push_back(std::make_unique<Worker>(*this, static_cast<int>(workers_.size()) + 1));
    } catch (const std::exception&) {  // no thread, or no memory for one
      refused_ = true;
    }
  }
}

void Team::run(int most, Call call, const void* body) {
  std::unique_lock<std::mutex> busy(busy_, std::defer_lock);
  if (most <= 1 || !busy.try_lock()) {
    call(body, 0, 1);
    return;
  }
  grow(most - 1);
  const int workers = std::min(most - 1, static_cast<int>(workers_.size()));
  Work work{call, body, workers + 1, {workers}};
  for (int i = 0; i < workers; ++i) workers_[static_cast<std::size_t>(i)]->give(&work);
  work.take_part(0);
  const auto ended = [&] { return work.left.load(std::memory_order_acquire) == 0; };
  for (int i = 0; i < looks && !ended(); ++i) pause();
  if (!ended()) {
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, ended);
  }
  if (work.failed) std::rethrow_exception(work.failure);
}

int Team::default_threads() {
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) threads = std::max(1, CPU_COUNT(&allowed));
#endif
  double quota = 0, period = 0;  // of processor time; a group without a limit has the word "max"
  if (std::ifstream("/sys/fs/cgroup/cpu.max") >> quota >> period && period > 0 && quota > 0)
    threads = std::clamp(static_cast<int>((quota + period - 1) / period), 1, threads);
  for (const char* variable : {"OMP_NUM_THREADS", "OMP_THREAD_LIMIT"}) {
    if (const int wanted = number_in(variable); wanted > 0) threads = std::min(threads, wanted);
  }
  return threads;
}

}  // namespace optim::cpu
