// Threads that do one piece of work together. Made as they are first needed; a thread that the system refuses is done without.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace optim::cpu {

class Team {
 public:
  // The one of this process. A forked child has no threads of its parent's, and gets a team of its own.
  static Team& of_process();

  // body(thread, threads) for each of up to `most` threads, the caller's among them as number 0, at the same time. The caller works
  // alone while another is using the team. An exception of a body is thrown on the caller's thread once all have ended.
  template <class Body>
  void run(int most, const Body& body) {
    const auto call = [](const void* b, int thread, int threads) { (*static_cast<const Body*>(b))(thread, threads); };
    run(most, call, &body);
  }

  // body(i) for i in [0, count), in one contiguous range for each thread, so that its memory is contiguous too.
  template <class Index, class Body>
  void for_each(int most, Index count, const Body& body) {
    run(most, [&](int thread, int threads) {
      const Index end = count * (thread + 1) / threads;
      for (Index i = count * thread / threads; i < end; ++i) body(i);
    });
  }

  // As many as the processors that this process may use, by its affinity and the quota of its control group; the environment's
  // OMP_NUM_THREADS and OMP_THREAD_LIMIT ask for fewer.
  static int default_threads();

  ~Team();  // of one without threads
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

 private:
  using Call = void (*)(const void* body, int thread, int threads);
  struct Work;
  class Worker;

  explicit Team(Team* former);
  void run(int most, Call call, const void* body);
  void grow(int workers);

  static std::atomic<Team*> current_;
  [[maybe_unused]] Team* former_;  // of the parent process: its threads are not here, so it cannot be destroyed
  std::mutex busy_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool refused_ = false;  // the system gave no more threads
};

}  // namespace optim::cpu
