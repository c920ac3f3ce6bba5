#include <algorithm>
#include <set>

#include "queue.h"
#include "simt/control.h"

namespace simt {
namespace {

constexpr std::uint64_t deepest_queue = 1024;  // a launch into a full queue waits, as on a real device

struct streams {
  std::shared_ptr<queue> null_queue = std::make_shared<queue>(true);
  std::vector<std::shared_ptr<queue>> queues{null_queue};
  std::set<cudaStream_t> handles;
};

streams& all() {
  static streams& instance = *new streams;
  return instance;
}

// While the outermost of these lives the device works: its memory is open and calls from within are refused.
class at_work {
 public:
  at_work() : outermost_(!the_runtime().executing) {
    if (outermost_) change(true);
  }
  ~at_work() {
    if (outermost_) change(false);
  }
  at_work(const at_work&) = delete;
  at_work& operator=(const at_work&) = delete;

 private:
  static void change(bool working) {
    the_runtime().executing = working;
    open_device_memory(working);
  }
  const bool outermost_;
};

// What new work in `target` has to wait for although no event says so: the legacy rules of the null stream.
std::vector<ticket> implicit_dependencies(const std::shared_ptr<queue>& target) {
  std::vector<ticket> after;
  if (!target->blocking) return after;
  for (const auto& other : all().queues) {
    const bool related = target == all().null_queue ? other->blocking && other != target : other == all().null_queue;
    if (related && other != target && other->busy()) after.push_back({other, other->submitted});
  }
  return after;
}

// With a shuffled order a busy stream gets on at any call, as it may on a real device.
void perhaps_get_on() {
  while (the_runtime().sequence.chance(2)) {
    std::vector<std::shared_ptr<queue>> busy;
    for (const auto& q : all().queues)
      if (q->busy()) busy.push_back(q);
    if (busy.empty()) return;
    the_runtime().sequence.arrange(busy.data(), busy.size());
    busy.front()->step();
  }
}

cudaError_t lose(capture& c, cudaError_t error) {
  c.lost = true;
  return error;
}

// A stream that takes part in a capture may not be waited for.
cudaError_t finish_checked(const std::shared_ptr<queue>& q, std::uint64_t position) {
  if (!q) return cudaErrorInvalidResourceHandle;
  if (q->recording) return lose(*q->recording, cudaErrorStreamCaptureUnsupported);
  ++the_runtime().synchronizations;
  q->finish(position);
  return cudaSuccess;
}

}  // namespace

void queue::step() {
  const at_work scope;
  task next = std::move(tasks_.front());
  tasks_.pop_front();
  for (const ticket& before : next.after) before.of->finish(before.position);
  if (next.run && the_runtime().sticky == cudaSuccess) next.run();
  ++done;
}

void queue::finish(std::uint64_t position) {
  if (done >= position) return;
  const at_work scope;
  while (done < position) step();
}

std::shared_ptr<queue> queue_of(cudaStream_t stream) {
  if (!stream || stream == cudaStreamLegacy) return all().null_queue;
  return all().handles.count(stream) ? stream->tasks : nullptr;
}

cudaError_t submit(cudaStream_t stream, work what) {
  const std::shared_ptr<queue> target = queue_of(stream);
  if (!target) return cudaErrorInvalidResourceHandle;
  if (const auto c = target->recording) {
    if (c->lost) return cudaErrorStreamCaptureInvalidated;
    c->nodes.push_back(std::move(what));
    const auto branch = c->branches.find(target);
    if (branch != c->branches.end()) ++branch->second.submitted;
    return cudaSuccess;
  }
  if (target == all().null_queue)
    for (const auto& other : all().queues)
      if (other->recording && other->blocking) return lose(*other->recording, cudaErrorStreamCaptureImplicit);
  target->push(std::move(what), implicit_dependencies(target));
  if (target->submitted - target->done > deepest_queue) target->finish(target->submitted);
  perhaps_get_on();
  return cudaSuccess;
}

void finish(cudaStream_t stream) {
  const std::shared_ptr<queue> q = queue_of(stream);
  q->finish(q->submitted);
}

void finish_everything() {
  auto queues = all().queues;
  the_runtime().sequence.arrange(queues.data(), queues.size());
  for (const auto& q : queues) q->finish(q->submitted);
}

cudaError_t unless_capturing() {
  for (const auto& q : all().queues) {
    const auto& c = q->recording;
    if (!c || c->mode == cudaStreamCaptureModeRelaxed) continue;
    if (c->mode == cudaStreamCaptureModeThreadLocal && c->thread != std::this_thread::get_id()) continue;
    return lose(*c, cudaErrorStreamCaptureUnsupported);
  }
  return cudaSuccess;
}

}  // namespace simt

using namespace simt;

cudaError_t cudaDeviceSynchronize() {
  return guarded([] {
    for (const auto& q : all().queues)
      if (q->recording) return lose(*q->recording, cudaErrorStreamCaptureUnsupported);
    ++the_runtime().synchronizations;
    finish_everything();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return guarded([&] {
    if (!stream || (flags & ~cudaStreamNonBlocking)) return cudaErrorInvalidValue;
    auto tasks = std::make_shared<queue>(!(flags & cudaStreamNonBlocking));
    all().queues.push_back(tasks);
    *stream = new CUstream_st{std::move(tasks)};
    all().handles.insert(*stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}

// Work still in the queue is done before it goes.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return guarded([&] {
    if (!all().handles.count(stream)) return cudaErrorInvalidResourceHandle;
    const std::shared_ptr<queue> tasks = stream->tasks;
    if (const auto c = tasks->recording) {
      c->lost = true;
      c->branches.erase(tasks);
      if (c->origin == tasks.get()) end_capture(tasks);
    }
    tasks->finish(tasks->submitted);
    auto& queues = all().queues;
    queues.erase(std::remove(queues.begin(), queues.end(), tasks), queues.end());
    all().handles.erase(stream);
    delete stream;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return guarded([&] {
    const std::shared_ptr<queue> q = queue_of(stream);
    return finish_checked(q, q ? q->submitted : 0);
  });
}

// Does one piece of work, so that a loop that polls comes to an end.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return guarded([&] {
    const std::shared_ptr<queue> q = queue_of(stream);
    if (!q) return cudaErrorInvalidResourceHandle;
    if (q->recording) return lose(*q->recording, cudaErrorStreamCaptureUnsupported);
    if (!q->busy()) return cudaSuccess;
    q->step();
    return cudaErrorNotReady;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* user_data) {
  return guarded([&] {
    if (!function) return cudaErrorInvalidValue;
    return submit(stream, [=] { function(user_data); });
  });
}

namespace {

std::set<cudaEvent_t>& events() {
  static auto& live = *new std::set<cudaEvent_t>;
  return live;
}

cudaError_t wait_in_capture(const std::shared_ptr<queue>& waiting, const CUevent_st& event) {
  const std::shared_ptr<capture> c = event.in;
  if (!c) return lose(*waiting->recording, cudaErrorStreamCaptureIsolation);
  if (waiting->recording && waiting->recording != c) return lose(*waiting->recording, cudaErrorStreamCaptureMerge);
  if (c->lost) return cudaErrorStreamCaptureInvalidated;
  if (!waiting->recording) {
    if (waiting == all().null_queue) return lose(*c, cudaErrorStreamCaptureImplicit);
    waiting->recording = c;
    c->branches[waiting] = {};
  }
  const auto from = c->branches.find(event.branch.of);
  if (from != c->branches.end() && event.branch.of != waiting)
    from->second.joined = std::max(from->second.joined, event.branch.position);
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  return guarded([&] {
    if (!event || (flags & ~(cudaEventBlockingSync | cudaEventDisableTiming))) return cudaErrorInvalidValue;
    *event = new CUevent_st{!(flags & cudaEventDisableTiming), {}, nullptr, nullptr, {}};
    events().insert(*event);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return guarded([&] {
    if (!events().erase(event)) return cudaErrorInvalidResourceHandle;
    delete event;
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return guarded([&] {
    const std::shared_ptr<queue> q = queue_of(stream);
    if (!q || !events().count(event)) return cudaErrorInvalidResourceHandle;
    event->in = q->recording;
    if (q->recording) {
      if (q->recording->lost) return cudaErrorStreamCaptureInvalidated;
      const auto branch = q->recording->branches.find(q);
      event->branch = {q, branch == q->recording->branches.end() ? 0 : branch->second.submitted};
      return cudaSuccess;
    }
    auto time = std::make_shared<std::chrono::steady_clock::time_point>();
    const cudaError_t error = submit(stream, [time] { *time = std::chrono::steady_clock::now(); });
    if (error != cudaSuccess) return error;
    event->time = std::move(time);
    event->recorded = {q, q->submitted};
    return cudaSuccess;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  return guarded([&] {
    const std::shared_ptr<queue> q = queue_of(stream);
    if (!q || !events().count(event)) return cudaErrorInvalidResourceHandle;
    if (flags != 0) return cudaErrorInvalidValue;
    if (event->in && event->in->origin == nullptr) return cudaErrorCapturedEvent;  // its capture has ended
    if (event->in || q->recording) return wait_in_capture(q, *event);
    if (!event->recorded.of) return cudaSuccess;
    q->push(nullptr, {event->recorded});
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return guarded([&] {
    if (!events().count(event)) return cudaErrorInvalidResourceHandle;
    if (event->in) return cudaErrorCapturedEvent;
    ++the_runtime().synchronizations;
    if (event->recorded.of) event->recorded.of->finish(event->recorded.position);
    return cudaSuccess;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return guarded([&] {
    if (!events().count(event)) return cudaErrorInvalidResourceHandle;
    if (event->in) return cudaErrorCapturedEvent;
    if (!event->recorded.of || event->recorded.of->done >= event->recorded.position) return cudaSuccess;
    event->recorded.of->step();
    return cudaErrorNotReady;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return guarded([&] {
    if (!milliseconds) return cudaErrorInvalidValue;
    for (const cudaEvent_t event : {start, end}) {
      if (!events().count(event) || !event->timed || !event->time) return cudaErrorInvalidResourceHandle;
      if (event->recorded.of->done < event->recorded.position) return cudaErrorNotReady;
    }
    *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
    return cudaSuccess;
  });
}
