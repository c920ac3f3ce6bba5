"""Optimizers of this library as what is timed: their class, their plan alone, and a replayed CUDA graph of it."""

import ctypes

import optim
import torch
from optim import _buffers, _native
from timing import Candidate

# What makes a class here do what its peers do by default.
OPTIONS = {
    "AdaBelief": {"rectify": False},
    "Ranger21": {"num_iterations": 10000},
}


class Ours:
    """An optimizer that has made its first step, and so has its states and its plan."""

    def __init__(self, name, params, **options):
        self.optimizer = getattr(optim, name)(params, **OPTIONS.get(name, {}), **options)
        self.optimizer.step()
        # The module shows its plans to nobody else; their time is what a caller of the C ABI sees.
        self.buckets = self.optimizer._binding.buckets

    def step(self):
        self.optimizer.step()

    def plan_step(self):
        for bucket in self.buckets:
            bucket.set_stream()
            bucket.plan.step()

    @property
    def bytes(self):
        """What a step must read and write (optim_plan_bytes_per_step)."""
        total = 0
        for bucket in self.buckets:
            found = ctypes.c_uint64()
            _native.check(_native.lib.optim_plan_bytes_per_step(bucket.plan.handle, ctypes.byref(found)))
            total += found.value
        return total


class Roots:
    """Inverse p-th roots of a batch, [count, n, n], by a function of the C ABI; its descriptions of the matrices are made once."""

    def __init__(self, function, matrices, *options):
        self.root = torch.zeros_like(matrices)
        described = [[_buffers.describe(m, "matrices") for m in batch] for batch in (matrices, self.root)]
        self.engine = _native.engine_for(described[0][0].device)
        self.function = getattr(_native.lib, function)
        self.arguments = (len(matrices), *map(_native.tensor_array, described), *options)

    def step(self):
        if self.root.is_cuda:
            self.engine.set_stream(torch.cuda.current_stream().cuda_stream)
        _native.check(self.function(self.engine.handle, *self.arguments))


def replayed(step):
    """The step as a CUDA graph: a function that replays it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def candidates(ours, device, steps=1, prefix="optim"):
    """The class, its plan alone and, on a GPU, a replayed graph. A graph repeats one step: rules that alternate (by the count
    on the device) do so in it, too."""
    found = [Candidate(f"{prefix} class", ours.step, steps), Candidate(f"{prefix} plan", ours.plan_step, steps)]
    if device.type == "cuda":
        found.append(Candidate(f"{prefix} graph", replayed(ours.plan_step), steps))
    return found


def launches(step):
    """Kernels, copies and waits of one step on a GPU, as CUPTI sees them."""
    activities = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=activities) as profile:
        step()
    names = [event.name for event in profile.events()]
    return {
        "kernels": sum(name.startswith(("cudaLaunchKernel", "cuLaunchKernel")) for name in names),
        "copies": sum(name.startswith(("cudaMemcpy", "cudaMemset")) for name in names),
        # The profiler itself waits by cudaDeviceSynchronize.
        "waits": sum(name.startswith(("cudaStreamSynchronize", "cudaEventSynchronize")) for name in names),
    }
