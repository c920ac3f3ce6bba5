// Streams are queues whose work is done when somebody waits for it, and captures record the same work into a graph.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "runtime.h"

namespace simt {

class queue;

// A point in a queue: everything submitted up to `position`.
struct ticket {
  std::shared_ptr<queue> of;
  std::uint64_t position = 0;
};

struct capture {
  struct branch {  // a stream drawn in by an event; all it did must have been waited for in the end
    std::uint64_t submitted = 1, joined = 0;
  };

  std::vector<work> nodes;        // in the order recorded, which is one that the dependencies allow
  const queue* origin = nullptr;  // null again when the capture has ended
  std::map<std::shared_ptr<queue>, branch> branches;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  bool lost = false;
};

class queue {
 public:
  explicit queue(bool blocking) : blocking(blocking) {}

  bool busy() const { return done < submitted; }
  void push(work what, std::vector<ticket> after) {
    tasks_.push_back({std::move(what), std::move(after)});
    ++submitted;
  }
  void finish(std::uint64_t position);
  void step();  // does the oldest piece of work and what it has to wait for

  const bool blocking;  // waits for the null stream, which waits for it
  std::uint64_t submitted = 0, done = 0;
  std::shared_ptr<capture> recording;

 private:
  struct task {
    work run;
    std::vector<ticket> after;
  };
  std::deque<task> tasks_;
};

// Takes all its streams out of a capture.
void end_capture(const std::shared_ptr<queue>& origin);

// Null when the handle is of no stream; the null stream's queue for 0 and cudaStreamLegacy.
std::shared_ptr<queue> queue_of(cudaStream_t stream);

}  // namespace simt

struct CUstream_st {
  std::shared_ptr<simt::queue> tasks;
};

struct CUevent_st {
  bool timed;
  simt::ticket recorded;
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
  // When last recorded in a capture:
  std::shared_ptr<simt::capture> in;
  simt::ticket branch;
};
