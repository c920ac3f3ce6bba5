"""The tensors of a torch optimizer bound to plans of the library: one plan for each device, and for float64 one apart."""

import itertools
import operator
import warnings

import torch

from . import _buffers
from ._native import Plan, StepCounts, engine_for
from ._storage import MASTER

# Unbound methods: with map they make the loops over all tensors of a step twice as fast.
_stride, _is_contiguous = torch.Tensor.stride, torch.Tensor.is_contiguous
_data_ptr, _numel = torch.Tensor.data_ptr, torch.Tensor.numel
_grad = operator.attrgetter("grad")
_PIECE = 512  # parameters that are looked at together, so that they stay in the processor's cache
_DTYPES = {value: name for name, value in _buffers.torch_dtypes(torch).items()}


class Bucket:
    """The tensors of one plan. The list of tensors is fixed; their storage, and their gradients, may move."""

    def __init__(self, rows, rule, params, groups, places, options):
        buffers = [_buffers.describe(p, f"params[{place}]") for p, place in zip(params, places)]
        self.params, self.groups, self.places, self.rule = params, groups, places, rule
        self.device = params[0].device
        self.engine = engine_for(buffers[0].device)
        self.plan = Plan(self.engine, rule.name, rows, buffers, groups, **options)
        self.identity = [(p.dtype, p.device, p.shape, p.stride()) for p in params]
        self.strides = [p.stride() for p in params]
        self.sizes = [p.numel() for p in params]
        self.row_major = all(p.is_contiguous() for p in params)
        self.slots = [self.plan.slots(i) for i in range(len(params))]
        self._pieces = [(first, params[first : first + _PIECE]) for first in range(0, len(params), _PIECE)]
        self._param_addresses = [buffer.address for buffer in buffers]
        self._gradient_addresses = None
        self._kept = []  # what must live until the step is queued
        self._inputs = False

    def check_states(self, given):
        """States that were loaded must have those of the rule, in their sizes; others are dropped with a warning. Master weights
        may be missing."""
        dropped = set()
        for place, slots, states in zip(self.places, self.slots, given):
            if not states:
                continue
            missing = [slot.name for slot in slots if slot.name not in states and slot.name != MASTER]
            if missing:
                raise ValueError(f"params[{place}] lacks the state {', '.join(missing)}; it has {', '.join(states)}")
            for slot in slots:
                value = states.get(slot.name)
                if value is None and slot.name == MASTER:
                    continue
                if isinstance(value, torch.Tensor) and value.numel() == torch.Size(slot.shape).numel():
                    continue
                size = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
                raise ValueError(f"state {slot.name} of params[{place}] is {size}; it must be {slot.shape}")
            dropped |= states.keys() - {slot.name for slot in slots} - set(self.rule.needs)
        if dropped:
            keeps = ", ".join(slot.name for slot in self.slots[0]) or "none"
            names = ", ".join(sorted(dropped))
            warnings.warn(f"{self.rule.class_name} keeps the states {keeps}; dropped are {names}", stacklevel=5)

    def make_states(self, given):
        """Allocates the states, takes over those that `given` (a dictionary for each parameter) has and initializes the
        others. Returns a dictionary for each parameter."""
        made = []
        for param, slots, state in zip(self.params, self.slots, given):
            tensors = {}
            for slot in slots:
                old = state.get(slot.name)
                tensors[slot.name] = self._adopt(old, param, slot) if old is not None else self._allocate(param, slot)
            made.append(tensors)
        self.plan.bind(states=[t.data_ptr() for tensors in made for t in tensors.values()])
        if any(slots and not state for slots, state in zip(self.slots, given)):
            self._initialize(made, given)
        for param, tensors, state in zip(self.params, made, given):
            if state and MASTER in tensors and MASTER not in state:  # the run had none before: it goes on from the parameters
                tensors[MASTER].copy_(param)
        return made

    def _initialize(self, made, given):
        # A rule may project its parameters when it begins; one that is resumed stays as it is.
        resumed = [p for p, state in zip(self.params, given) if state]
        resumed += [tensors[name] for tensors, state in zip(made, given) for name in tensors if name in state]
        kept = [(tensor, tensor.detach().clone()) for tensor in resumed]
        self.set_stream()
        self.plan.init_states()
        for tensor, value in kept:
            tensor.copy_(value)

    def _allocate(self, param, slot):
        dtype = _DTYPES[slot.dtype]
        if slot.shape == tuple(param.shape):
            return torch.empty_strided(slot.shape, param.stride(), dtype=dtype, device=param.device)
        return torch.empty(slot.shape, dtype=dtype, device=param.device)

    def _adopt(self, old, param, slot):
        """The state itself where it is as the plan needs it, otherwise a copy."""
        made = self._allocate(param, slot)
        if all(getattr(old, what) == getattr(made, what) for what in ("dtype", "device", "shape")) and old.stride() == made.stride():
            return old
        return made.copy_(old.reshape(made.shape))

    def refresh(self):
        """Looks at all parameters and gradients and takes over those whose storage has moved. False: the plan no longer fits,
        since the process has forked or a parameter is of another kind."""
        if self.engine.handle is None:
            return False
        params, sizes, gradients = [], [], []
        self._kept.clear()
        for first, piece in self._pieces:
            params += map(_data_ptr, piece)
            sizes += map(_numel, piece)
            gradients += self._addresses(list(map(_grad, piece)), first, "the gradient")
        moved = params != self._param_addresses or sizes != self.sizes
        if moved and any((p.dtype, p.device, p.shape, p.stride()) != i for p, i in zip(self.params, self.identity)):
            return False
        if moved or gradients != self._gradient_addresses:
            # In one call: a parameter may now lie where a gradient was before.
            self.plan.bind(params=params if moved else None, grads=gradients)
            self._param_addresses, self._gradient_addresses = params, gradients
        return True

    def step(self, rows, scalars=(), inputs=None):
        """Steps, after `refresh`. scalars: grad_scale, found_inf, overflow or None."""
        if self.rule.needs:
            self._bind_inputs(inputs)
        self.plan.set_rows(rows)
        self.set_stream()
        scalars = [s.to(self.device, torch.float32, non_blocking=True) if s is not None else None for s in scalars]
        self.plan.step(*(s.data_ptr() if s is not None else None for s in scalars))
        self._kept.clear()  # torch's allocator reuses the memory in the order of the stream

    def set_stream(self):
        if self.device.type == "cuda":
            self.engine.set_stream(torch.cuda.current_stream(self.device).cuda_stream)

    def _addresses(self, tensors, first, what):
        """The addresses of tensors that belong to the parameters from `first` on; 0 for None."""
        strides = self.strides[first : first + len(tensors)]
        sizes = self.sizes[first : first + len(tensors)]
        try:  # as nearly always: all are there, and lie as the parameters
            lie = all(map(_is_contiguous, tensors)) if self.row_major else list(map(_stride, tensors)) == strides
            if lie and list(map(_numel, tensors)) == sizes:
                return list(map(_data_ptr, tensors))
        except (TypeError, RuntimeError, NotImplementedError):  # None, or one without storage
            pass
        return [self._address(*pair, what) for pair in zip(tensors, itertools.count(first), strides)]

    def _address(self, tensor, index, strides, what):
        if tensor is None:
            return 0
        if tensor.layout is torch.strided and tensor.stride() == strides and tensor.numel() == self.sizes[index]:
            return tensor.data_ptr()
        name, param = f"{what} of params[{self.places[index]}]", self.params[index]
        _buffers.describe(tensor, name)  # refuses what is sparse, among others
        if tensor.shape != param.shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}; it must be {tuple(param.shape)}")
        if _buffers.same_layout(param.shape, tensor.stride(), strides):
            return tensor.data_ptr()
        # Its elements lie in another order than the parameter's.
        copy = torch.empty_strided(param.shape, strides, dtype=tensor.dtype, device=tensor.device)
        self._kept.append(copy.copy_(tensor))
        return copy.data_ptr()

    def _bind_inputs(self, inputs):
        if not inputs and not self._inputs:
            return
        lists = []
        for name in self.rule.needs:
            given = inputs.get(name)
            tensors = [given[place] if given is not None else None for place in self.places]
            tensors = [t if p.grad is not None else None for t, p in zip(tensors, self.params)]
            self._check_inputs(tensors, name)
            lists.append(self._addresses(tensors, 0, name))
        self.plan.bind_inputs(list(itertools.chain.from_iterable(zip(*lists))))
        self._inputs = bool(inputs)

    def _check_inputs(self, tensors, name):
        for tensor, param, place in zip(tensors, self.params, self.places):
            if tensor is not None and (tensor.dtype, tensor.device, tensor.shape) != (param.dtype, param.device, param.shape):
                raise ValueError(
                    f"{name} of params[{place}] is {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}; it must be "
                    f"{param.dtype} {tuple(param.shape)} on {param.device}"
                )


def partition(param_groups, takes_part):
    """The parameters that take part, by device and by whether they are float64: lists of parameters, of their groups, and of
    their places among all."""
    parts = {}
    params = [(param, index) for index, group in enumerate(param_groups) for param in group["params"]]
    for place, (param, group) in enumerate(params):
        if takes_part(param):
            part = parts.setdefault((param.device, param.dtype == torch.float64), ([], [], []))
            for items, item in zip(part, (param, group, place)):
                items.append(item)
    return list(parts.values())


def _steps_by_group(param_groups):
    return [bool(group.get("steps_by_group", False)) for group in param_groups]


class Binding:
    """All tensors of an optimizer that take part: those that require a gradient, have one, or have a state."""

    def __init__(self, optimizer, counts):
        rows = optimizer._rows()
        self.steps_by_group = _steps_by_group(optimizer.param_groups)
        options = {**optimizer._plan_options(), "steps_by_group": self.steps_by_group}
        self.dormant = []

        def takes_part(param):
            wanted = param.requires_grad or param.grad is not None or bool(optimizer.state.get(param))
            if not wanted:
                self.dormant.append(param)
            return wanted

        self.members = [list(group["params"]) for group in optimizer.param_groups]
        self.buckets, given = [], []
        for members in partition(optimizer.param_groups, takes_part):
            bucket = Bucket(rows, optimizer.rule, *members, options)
            # What cannot be served is refused before initial states are made, for which parameters may be projected.
            bucket.refresh()
            given.append([optimizer.state.get(param, {}) for param in bucket.params])
            bucket.check_states(given[-1])
            self.buckets.append(bucket)
        states = [bucket.make_states(old) for bucket, old in zip(self.buckets, given)]
        for bucket, made in zip(self.buckets, states):
            bucket.plan.set_counts([counts.get(param, StepCounts()) for param in bucket.params])
            for param, tensors in zip(bucket.params, made):
                optimizer.state[param] = tensors

    def is_stale(self, param_groups):
        """Whether the optimizer has other parameters than those bound, or other kinds of them. Takes over what has moved."""
        present = [group["params"] for group in param_groups]
        if list(map(len, present)) != list(map(len, self.members)):
            return True
        if _steps_by_group(param_groups) != self.steps_by_group:
            return True
        if not all(all(map(operator.is_, *pair)) for pair in zip(present, self.members)):
            return True
        if any(param.grad is not None or param.requires_grad for param in self.dormant):
            return True
        return not all([bucket.refresh() for bucket in self.buckets])

    def counts(self):
        """The counts of each parameter. Waits for the device."""
        return {
            param: counts for bucket in self.buckets for param, counts in zip(bucket.params, bucket.plan.get_counts())
        }
