// Captures and graphs: a graph is the recorded queue, replayed as one piece of work.
#include "queue.h"

struct CUgraph_st {
  std::vector<simt::work> nodes;
};

struct CUgraphExec_st {
  std::shared_ptr<const std::vector<simt::work>> nodes;
};

using namespace simt;

void simt::end_capture(const std::shared_ptr<queue>& origin) {
  const std::shared_ptr<capture> c = std::move(origin->recording);
  for (const auto& member : c->branches) member.first->recording.reset();
  c->branches.clear();
  c->origin = nullptr;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return guarded([&] {
    const std::shared_ptr<queue> q = queue_of(stream);
    if (!q) return cudaErrorInvalidResourceHandle;
    if (q == queue_of(nullptr)) return cudaErrorStreamCaptureUnsupported;
    if (q->recording) return cudaErrorInvalidValue;
    q->recording = std::make_shared<capture>();
    q->recording->origin = q.get();
    q->recording->mode = mode;
    q->recording->thread = std::this_thread::get_id();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return guarded([&] {
    const std::shared_ptr<queue> q = queue_of(stream);
    if (!q) return cudaErrorInvalidResourceHandle;
    const std::shared_ptr<capture> c = q->recording;
    if (!c || !graph) return cudaErrorInvalidValue;
    if (c->origin != q.get()) return c->lost = true, cudaErrorStreamCaptureUnmatched;
    if (c->mode != cudaStreamCaptureModeRelaxed && c->thread != std::this_thread::get_id())
      return cudaErrorStreamCaptureWrongThread;
    *graph = nullptr;
    bool joined = true;
    for (const auto& [member, branch] : c->branches) joined = joined && branch.joined == branch.submitted;
    end_capture(q);
    if (c->lost) return cudaErrorStreamCaptureInvalidated;
    if (!joined) return cudaErrorStreamCaptureUnjoined;
    *graph = new CUgraph_st{std::move(c->nodes)};
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return guarded([&] {
    const std::shared_ptr<queue> q = queue_of(stream);
    if (!q) return cudaErrorInvalidResourceHandle;
    if (!status) return cudaErrorInvalidValue;
    *status = !q->recording        ? cudaStreamCaptureStatusNone
              : q->recording->lost ? cudaStreamCaptureStatusInvalidated
                                   : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return guarded([&] {
    if (!exec || !graph) return cudaErrorInvalidValue;
    *exec = new CUgraphExec_st{std::make_shared<const std::vector<work>>(graph->nodes)};
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, cudaGraphNode_t*, char*, std::size_t) {
  return cudaGraphInstantiate(exec, graph, 0ull);
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags) {
  return cudaGraphInstantiate(exec, graph, flags);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return guarded([&] {
    if (!exec) return cudaErrorInvalidValue;
    return submit(stream, [nodes = exec->nodes] {
      for (const work& node : *nodes)
        if (the_runtime().sticky == cudaSuccess) node();
    });
  });
}

// Counts only: nodes cannot be looked at.
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, std::size_t* count) {
  return guarded([&] {
    if (!graph || !count) return cudaErrorInvalidValue;
    if (nodes) return cudaErrorNotSupported;
    *count = graph->nodes.size();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return guarded([&] {
    if (!graph) return cudaErrorInvalidValue;
    delete graph;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return guarded([&] {
    if (!exec) return cudaErrorInvalidValue;
    delete exec;
    return cudaSuccess;
  });
}
