"""Engines and plans of the library, owned by Python objects."""

import ctypes
import threading
from array import array
from dataclasses import dataclass
from typing import NamedTuple

from . import _abi
from ._library import check, lib, struct

_engines = {}
_threads = 0


def set_num_threads(threads):
    """Sets how many threads steps on the CPU use, of optimizers that make their first step later; 0 (the default) is one
    for each core that the process may use, or as few as OMP_NUM_THREADS says. Results do not depend on it."""
    global _threads
    if threads < 0:
        raise ValueError(f"threads is {threads}; allowed is 0 or more")
    _threads = threads
    _engines.pop(("cpu", 0), None)


class Engine:
    """A CPU or a CUDA device on which the library computes. The garbage collector finalizes in any order, but an engine is
    freed after its plans and buffers: they hold and release it. What is called with its handle, other than steps of plans,
    is called under its lock."""

    def __init__(self, device, threads=0):
        self.handle = ctypes.c_void_p()
        self.lock = threading.RLock()
        self._holders = 1  # this object
        kinds = {"cpu": _abi.CPU, "cuda": _abi.CUDA}
        if device[0] not in kinds:
            raise ValueError(f"device is {device[0]}; allowed are {' and '.join(kinds)}")
        self.device = device
        self._stream = None
        options = struct(_abi.EngineOptions, device_type=kinds[device[0]], device_index=device[1], threads=threads)
        check(lib.optim_engine_create(options, ctypes.byref(self.handle)))

    def set_stream(self, stream):
        """Queues what follows on a cudaStream_t."""
        if stream != self._stream:
            check(lib.optim_engine_set_stream(self.handle, stream))
            self._stream = stream

    def hold(self):
        with self.lock:
            self._holders += 1

    def release(self, free=lib.optim_engine_free):
        with self.lock:
            self._holders -= 1
            if self._holders == 0 and self.handle:
                free(self.handle)
                self.handle = None

    __del__ = release


def engine_for(device):
    """The engine of the CPU, which all share; for CUDA a new one, since each has its own stream."""
    if device[0] != "cpu":
        return Engine(device)
    if device not in _engines:
        _engines[device] = Engine(device, _threads)
    return _engines[device]


@dataclass(frozen=True)
class PlanSlot:
    """A state of one tensor of a plan."""

    name: str
    dtype: int
    shape: tuple


class StepCounts(NamedTuple):
    """How often a tensor was stepped."""

    steps: int = 0
    input_steps: int = 0  # of those, the steps at which the rule's further inputs were given
    stepped: bool = False  # a step has changed it


def addresses(values):
    """An array of pointers for the library: its address, and what must stay alive for the call."""
    buffer = array("Q", values)
    return buffer.buffer_info()[0], buffer


def tensor_array(buffers):
    """The descriptions of buffers (`_buffers.Buffer`) as the library reads them."""
    tensors = (_abi.Tensor * len(buffers))()
    size = ctypes.sizeof(_abi.Tensor)
    for tensor, buffer in zip(tensors, buffers):
        tensor.size, tensor.data, tensor.dtype = size, buffer.address, buffer.dtype
        rank = len(buffer.shape)
        tensor.rank, tensor.layout = rank, _abi.STRIDED
        if rank <= _abi.MAX_RANK:  # else the library refuses
            tensor.shape[:rank] = buffer.shape
            tensor.strides[:rank] = buffer.strides
    return tensors


class Plan:
    """A rule bound to the tensors of one device."""

    def __init__(
        self, engine, rule, rows, buffers=(), groups=(), helpers=None, steps_by_group=(), grad_dtype=0, state_dtype=0, **storage
    ):
        self.handle = ctypes.c_void_p()
        self.engine, self.tensors = engine, len(buffers)
        width = len(rows[0])
        self._rows = [tuple(row) for row in rows]
        hypers = array("d", [value for row in rows for value in row])
        group_of = array("q", groups)
        by_group = array("i", map(int, steps_by_group))
        tensors = tensor_array(buffers)
        switches = struct(_abi.Helpers, **helpers) if helpers else None
        options = struct(
            _abi.PlanOptions,
            rule=rule.encode(),
            group_count=len(rows),
            hyper_count=width,
            hypers=hypers.buffer_info()[0] if width else None,
            tensor_count=len(buffers),
            params=tensors,
            group_of=group_of.buffer_info()[0] if buffers else None,
            steps_by_group=by_group.buffer_info()[0] if by_group else None,
            helpers=ctypes.pointer(switches) if switches is not None else None,
            grad_dtype=grad_dtype,
            state_dtype=state_dtype,
            **storage,
        )
        with engine.lock:
            check(lib.optim_plan_create(engine.handle, options, ctypes.byref(self.handle)))
        engine.hold()

    def __del__(self, free=lib.optim_plan_free):
        if self.handle:
            free(self.handle)
            self.engine.release()

    def slots(self, tensor):
        count = ctypes.c_int64()
        check(lib.optim_plan_slot_count(self.handle, tensor, ctypes.byref(count)))
        slot = struct(_abi.Slot)
        found = []
        for index in range(count.value):
            check(lib.optim_plan_slot(self.handle, tensor, index, slot))
            found.append(PlanSlot(slot.name.decode(), slot.dtype, tuple(slot.shape[: slot.rank])))
        return found

    def bind(self, params=None, grads=None, states=None):
        """Binds lists of addresses; None leaves that part as it was."""
        held = [addresses(values) if values is not None else (None, None) for values in (params, grads, states)]
        check(lib.optim_plan_bind(self.handle, *(address for address, _ in held)))

    def bind_inputs(self, inputs):
        address, held = addresses(inputs)
        check(lib.optim_plan_bind_inputs(self.handle, address))

    def init_states(self):
        check(lib.optim_plan_init_states(self.handle))

    def set_rows(self, rows):
        """Sends the hyper-parameters of the groups that have changed."""
        for group, row in enumerate(rows):
            if row != self._rows[group]:
                values = array("d", row)
                check(lib.optim_plan_set_hypers(self.handle, group, values.buffer_info()[0], len(values)))
                self._rows[group] = row

    def step(self, grad_scale=None, found_inf=None, overflow=None):
        """One step; the arguments are addresses of floats on the device."""
        if grad_scale is None and found_inf is None and overflow is None:
            check(lib.optim_plan_step(self.handle, None))
        else:
            options = struct(_abi.Step, grad_scale=grad_scale, found_inf=found_inf, overflow=overflow)
            check(lib.optim_plan_step(self.handle, options))

    def get_counts(self):
        """The counts of each tensor. Waits for the device."""
        steps, input_steps, stepped = (array(code, bytes(size * self.tensors)) for code, size in (("q", 8), ("q", 8), ("i", 4)))
        pointers = (values.buffer_info()[0] for values in (steps, input_steps, stepped))
        check(lib.optim_plan_get_steps(self.handle, *pointers))
        return [StepCounts(*counts) for counts in zip(steps, input_steps, map(bool, stepped))]

    def set_counts(self, counts):
        """Sets the counts of all tensors."""
        values = [array(code, map(int, column)) for code, column in zip("qqi", zip(*counts))]
        if values:
            check(lib.optim_plan_set_steps(self.handle, *(column.buffer_info()[0] for column in values)))

    def bytes_per_step(self):
        found = ctypes.c_uint64()
        check(lib.optim_plan_bytes_per_step(self.handle, ctypes.byref(found)))
        return found.value
