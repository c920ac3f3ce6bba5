"""Times of steps: candidates in turn, each after a pass over a buffer that no cache holds."""

import statistics
import time
from dataclasses import dataclass, field

import torch


@dataclass
class Candidate:
    """Something whose step is timed. `steps` of them make one sample (a rule that does something every k steps takes k)."""

    name: str
    step: object
    steps: int = 1
    device_times: list = field(default_factory=list)  # seconds a step
    host_times: list = field(default_factory=list)  # seconds that the caller waits, where the device runs apart
    failure: str = None


class Stopwatch:
    """Seconds between two points of the device's queue, and of the host, which does not wait within."""

    def __init__(self, device):
        self.cuda = device.type == "cuda"

    def time(self, call, times=1):
        if self.cuda:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
        start = time.perf_counter()
        for _ in range(times):
            call()
        host = (time.perf_counter() - start) / times
        if not self.cuda:
            return host, host
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) * 1e-3 / times, host


class Bandwidth:
    """What the memory gives: a copy on a GPU, reading and writing in place on a CPU. A pass over its buffer, far larger than the
    caches, also puts what the next step needs out of them; reading it once more has the dirty lines written."""

    def __init__(self, device, elements):
        self.how = "copy between two buffers" if device.type == "cuda" else "reading and writing one buffer in place"
        self.buffer = torch.ones(elements, device=device)
        self.other = torch.ones_like(self.buffer) if device.type == "cuda" else None
        self.bytes = 2 * self.buffer.numel() * self.buffer.element_size()
        self.times = []

    def measure(self, watch):
        self.times.append(watch.time(self._touch)[0])
        self.buffer.sum()

    def _touch(self):
        if self.other is None:
            self.buffer.neg_()
        else:
            self.other.copy_(self.buffer)

    @property
    def rate(self):
        """Bytes per second."""
        return self.bytes / statistics.median(self.times)


def _attempt(candidate, action):
    """A peer that cannot do the case is told of, and does not end the run."""
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - whatever a foreign library raises
        candidate.failure = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]
        return None


def measure(candidates, bandwidth, device, repeats, budget, warmup=3):
    """Fills the times of the candidates: `repeats` samples of each, fewer where `budget` seconds are over, but at least 3."""
    watch = Stopwatch(device)
    for candidate in candidates:
        for _ in range(warmup):
            if not candidate.failure:
                _attempt(candidate, lambda: watch.time(candidate.step))
    bandwidth.measure(watch)
    bandwidth.times.clear()
    begin = time.monotonic()
    for done in range(repeats):
        if done >= 3 and time.monotonic() - begin > budget:
            break
        for candidate in (c for c in candidates if not c.failure):
            bandwidth.measure(watch)
            sample = _attempt(candidate, lambda: watch.time(candidate.step, candidate.steps))
            if sample:
                candidate.device_times.append(sample[0])
                candidate.host_times.append(sample[1])


def spread(values):
    """Median, and the tenth of the values at either end."""
    ordered = sorted(values)
    tenth = (len(ordered) - 1) // 10
    return {"median": statistics.median(ordered), "low": ordered[tenth], "high": ordered[-1 - tenth], "samples": len(ordered)}
