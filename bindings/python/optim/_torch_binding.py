"""The tensors of a torch optimizer bound to plans of the library: one plan for each device, and for float64 one apart.

A plan has addresses. One is used only while its memory is held, and only as what it was checked to be:

- Of parameters and states the binding holds aliases, so that memory whose tensor was given another (`param.data = ...`) lives
  until the binding has noticed. Where an address is as it was, so is what lies there.
- Gradients are not held. Dtype, size and layout of each are compared with its parameter's at every step, its shape and whether its
  negation is pending wherever it has another address than at the step before.
- Which tensors are the states is told by dictionaries that notice changes (`_state.py`).
- What cannot do more than view the same elements otherwise (a shape or a negation in place) is looked at for all of up to 256
  parameters at every step, of more in turn."""

import itertools
import operator
import warnings

import torch

from . import _buffers, _state
from ._library import InvalidArgumentError
from ._native import Plan, StepCounts, engine_for
from ._storage import MASTER

# Unbound methods: with map they make the loops over all tensors of a step twice as fast.
_data_ptr, _stride, _get_device = torch.Tensor.data_ptr, torch.Tensor.stride, torch.Tensor.get_device
_is_contiguous, _is_neg, _numel = torch.Tensor.is_contiguous, torch.Tensor.is_neg, torch.Tensor.numel
_PIECE = 256  # parameters that are looked at together, so that they stay in the processor's cache
_DTYPES = {value: name for name, value in _buffers.torch_dtypes(torch).items()}


def _kind(tensor):
    """All that decides how the memory of a dense tensor is read."""
    return tensor.dtype, tensor.device, tensor.shape, tensor.stride(), tensor.is_neg()


class _Piece:
    """Parameters that are looked at together."""

    def __init__(self, first, params, states):
        self.first, self.params = first, params
        self.dtypes, self.shapes = [p.dtype for p in params], [p.shape for p in params]
        self.strides, self.devices = list(map(_stride, params)), list(map(_get_device, params))
        self.row_major = all(map(_is_contiguous, params))
        self.sizes = list(map(_numel, params))
        self.many_devices = torch.cuda.is_available() or params[0].device.type != "cpu"
        self.seen = None  # the addresses of tensors that were like the parameters
        self.states = states  # the places of their states among all
        self.hold(self.alias())

    def alias(self):
        return list(map(torch.Tensor.detach, self.params))

    def hold(self, aliases):
        """Keeps the memory that the parameters have now."""
        self.aliases, self.addresses = aliases, list(map(_data_ptr, aliases))

    def params_fit(self):
        """Whether the parameters are still what the plan was made for, wherever they are."""
        params = self.params
        return (
            [p.dtype for p in params] == self.dtypes
            and [p.shape for p in params] == self.shapes
            and self._lie(params)
            and list(map(_get_device, params)) == self.devices
            and not any(map(_is_neg, params))
        )

    def _lie(self, tensors):
        """Whether tensors of the parameters' shapes lie as the parameters did."""
        return all(map(_is_contiguous, tensors)) if self.row_major else list(map(_stride, tensors)) == self.strides

    def addresses_of(self, tensors, closely):
        """The addresses of tensors that are like the parameters. None where one is not, is absent, or has no storage."""
        try:
            if [t.dtype for t in tensors] != self.dtypes or not self._lie(tensors):
                return None
            if self.many_devices and list(map(_get_device, tensors)) != self.devices:
                return None
            found = list(map(_data_ptr, tensors))
            if found == self.seen and not closely:  # as they were seen before, unless they are other views of the same elements
                return found if list(map(_numel, tensors)) == self.sizes else None
            if [t.shape for t in tensors] != self.shapes or any(map(_is_neg, tensors)):
                return None
            self.seen = found
            return found
        except (AttributeError, RuntimeError, NotImplementedError):
            return None


class Bucket:
    """The tensors of one plan. The list of tensors is fixed; their storage, and their gradients, may move."""

    def __init__(self, rows, rule, params, groups, places, options):
        buffers = [_buffers.dense(p, f"params[{place}]") for p, place in zip(params, places)]
        _buffers.refuse_overlaps(buffers, places)
        self.params, self.groups, self.places, self.rule = params, groups, places, rule
        self.device = params[0].device
        self.engine = engine_for(buffers[0].device)
        self.plan = Plan(self.engine, rule.name, rows, buffers, groups, **options)
        self.slots = [self.plan.slots(i) for i in range(len(params))]
        self._kinds = list(map(_kind, params))
        ends = list(itertools.accumulate(map(len, self.slots), initial=0))
        self._pieces = []
        for first in range(0, len(params), _PIECE):
            piece = params[first : first + _PIECE]
            self._pieces.append(_Piece(first, piece, slice(ends[first], ends[first + len(piece)])))
        self._closely = itertools.cycle(self._pieces)
        self._gradients = None  # their addresses
        self._states, self._aliases, self._addresses = [], [], []  # in the order of parameters and slots
        self._kept = []  # what must live until the step is queued
        self._inputs = False

    # ---- states -------------------------------------------------------------------------------------------------------

    def check_states(self, given, loads):
        """States must be those of the rule, in their shapes; others are dropped with a warning. Master weights may be missing; unless the
        states were loaded, also what an option has switched on since."""
        dropped, own = set(), {slot.name for slot in self.rule.slots}
        optional = {MASTER} if loads else {MASTER} | {slot.name for slot in self.rule.slots if slot.when}
        for place, slots, states in zip(self.places, self.slots, given):
            if not states:
                continue
            if not isinstance(states, dict):
                raise ValueError(f"the states of params[{place}] are a {type(states).__name__}; they must be a dictionary")
            missing = [slot.name for slot in slots if slot.name not in states and slot.name not in optional]
            if missing:
                raise ValueError(f"params[{place}] lacks the state {', '.join(missing)}; it has {', '.join(map(str, states))}")
            for slot in slots:
                value = states.get(slot.name)
                if value is None and slot.name in optional:
                    continue
                _check_state(value, slot, f"state {slot.name} of params[{place}]")
            dropped |= states.keys() - {slot.name for slot in slots} - own - set(self.rule.needs)
        if dropped:
            keeps = ", ".join(slot.name for slot in self.slots[0]) or "none"
            names = ", ".join(sorted(map(str, dropped)))
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
        self._bind_states([tensor for tensors in made for tensor in tensors.values()])
        begins = lambda state, slot: slot.name not in state and (slot.name != MASTER or not state)  # noqa: E731
        if any(begins(state, slot) for slots, state in zip(self.slots, given) for slot in slots):
            self._initialize(made, given)
        for param, tensors, state in zip(self.params, made, given):
            if state and MASTER in tensors and MASTER not in state:  # the run had none before: it goes on from the parameters
                tensors[MASTER].copy_(param)
        return made

    def take_states(self, given):
        """Binds the states that `given` (a dictionary for each parameter) has where they are other tensors than those bound, or
        have other memory. False: one is missing, or is not as the plan needs it."""
        given = [states if isinstance(states, dict) else {} for states in given]
        wanted = [states.get(slot.name) for slots, states in zip(self.slots, given) for slot in slots]
        replaced = [new is not old or new.data_ptr() != at for new, old, at in zip(wanted, self._states, self._addresses)]
        if not any(replaced):
            return True
        for new, alias, other in zip(wanted, self._aliases, replaced):
            if other and not (isinstance(new, torch.Tensor) and new.layout is torch.strided and _kind(new) == _kind(alias)):
                return False
        self._bind_states(wanted)
        counts, place = self.plan.get_counts(), 0
        for index, slots in enumerate(self.slots):  # what was put there is gone on from, also by the first step
            if any(replaced[place : place + len(slots)]):
                counts[index] = counts[index]._replace(stepped=True)
            place += len(slots)
        self.plan.set_counts(counts)
        return True

    def _bind_states(self, tensors):
        addresses = list(map(_data_ptr, tensors))
        # Gradients that are gone may have left their memory to these states.
        self.plan.bind(grads=[0] * len(self.params), states=addresses)
        self._gradients = None
        self._states, self._aliases, self._addresses = tensors, [tensor.detach() for tensor in tensors], addresses

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
        return old if _kind(old) == _kind(made) else made.copy_(old)

    # ---- steps --------------------------------------------------------------------------------------------------------

    def refresh(self):
        """Looks at all parameters and gradients and takes over those whose storage has moved. False: the plan no longer fits,
        since a parameter is of another kind, or the storage of a state has moved."""
        self._kept.clear()
        closely = next(self._closely)
        if list(map(_data_ptr, self._states[closely.states])) != self._addresses[closely.states]:
            return False
        moved, gradients = [], []
        for piece in self._pieces:
            params, tensors = piece.params, [p.grad for p in piece.params]
            has_moved = list(map(_data_ptr, params)) != piece.addresses
            if (has_moved or piece is closely) and not piece.params_fit():
                return False
            if has_moved:
                moved.append(piece)
            found = piece.addresses_of(tensors, piece is closely)
            if found is None:
                if not piece.params_fit():
                    return False
                found = [self._address(tensor, index, "the gradient") for index, tensor in enumerate(tensors, piece.first)]
            gradients += found
        if moved or gradients != self._gradients:
            self._bind(moved, gradients)
        return True

    def _bind(self, moved, gradients):
        for index in [i for i, address in enumerate(gradients) if address == 0]:
            gradient = self.params[index].grad
            if gradient is not None and gradient.numel():
                raise ValueError(f"the gradient of params[{self.places[index]}] has no memory; its storage was given away")
        if self._inputs:  # as old as the gradients of before
            self.plan.bind_inputs([0] * (len(self.params) * len(self.rule.needs)))
            self._inputs = False
        aliases = {piece: piece.alias() for piece in moved}
        params = [a for piece in self._pieces for a in map(_data_ptr, aliases.get(piece, piece.aliases))] if moved else None
        # In one call: a parameter may now lie where a gradient was before.
        try:
            self.plan.bind(params=params, grads=gradients)
        except InvalidArgumentError:
            gradients = self._apart(gradients)
            self.plan.bind(params=params, grads=gradients)
        for piece in moved:
            piece.hold(aliases[piece])
        self._gradients = gradients

    def _apart(self, gradients):
        """The addresses of gradients, those that lie in the memory of a parameter or a state now copied."""
        written = {_storage(tensor) for tensor in itertools.chain(self.params, self._states)}
        apart = []
        for index, address in enumerate(gradients):
            tensor = self.params[index].grad
            inside = tensor is not None and address == tensor.data_ptr() and _storage(tensor) in written
            apart.append(self._copy(tensor, self.params[index]) if inside else address)
        return apart

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

    def _address(self, tensor, index, what):
        """The address of a tensor that belongs to a parameter; 0 for None. What is of another dtype or lies otherwise is copied."""
        if tensor is None:
            return 0
        if tensor.layout is torch.strided and _kind(tensor) == self._kinds[index]:
            return tensor.data_ptr()
        param = self.params[index]
        name = f"{what} of params[{self.places[index]}]"
        _buffers.describe(tensor, name, writable=False)  # refuses what is sparse or whole-numbered, among others
        if tensor.shape != param.shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}; it must be {tuple(param.shape)}")
        if tensor.device != param.device:
            raise ValueError(f"{name} is on {tensor.device}; it must be on {param.device}")
        like = tensor.dtype == param.dtype and not tensor.is_neg()
        if like and _buffers.same_layout(param.shape, tensor.stride(), param.stride()):
            return tensor.data_ptr()
        return self._copy(tensor, param)

    def _copy(self, tensor, param):
        """The address of a copy that is like the parameter and lives until the step is queued."""
        copy = torch.empty_strided(param.shape, param.stride(), dtype=param.dtype, device=param.device)
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
            lists.append([self._address(tensor, index, name) for index, tensor in enumerate(tensors)])
        self.plan.bind_inputs(list(itertools.chain.from_iterable(zip(*lists))))
        self._inputs = bool(inputs)

    def _check_inputs(self, tensors, name):
        for tensor, param, place in zip(tensors, self.params, self.places):
            if tensor is not None and (tensor.dtype, tensor.device, tensor.shape) != (param.dtype, param.device, param.shape):
                raise ValueError(
                    f"{name} of params[{place}] is {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}; it must be "
                    f"{param.dtype} {tuple(param.shape)} on {param.device}"
                )


def _storage(tensor):
    storage = tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()
    return storage.data_ptr()


def _check_state(value, slot, name):
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"{name} is {type(value).__name__}; it must be a tensor of {slot.shape}")
    if value.layout is not torch.strided or value.dtype not in _DTYPES.values() or value.device.type == "meta":
        raise ValueError(f"{name} is {value.dtype}, {value.layout}, on {value.device}; it must be dense and of {_buffers.ALLOWED}")
    if tuple(value.shape) != slot.shape:
        raise ValueError(f"{name} is {tuple(value.shape)}; it must be {slot.shape}")


def partition(param_groups, takes_part):
    """The parameters that take part, by device and by whether they are float64: lists of parameters, of their groups, and of
    their places among all. Of parameters that are the same memory each has a part of its own: they are stepped one after the other."""
    parts, twins, places = {}, {}, {}
    params = [(param, index) for index, group in enumerate(param_groups) for param in group["params"]]
    for place, (param, group) in enumerate(params):
        if takes_part(param):
            if places.setdefault(id(param), place) != place:
                raise InvalidArgumentError(
                    f"params[{place}] overlaps params[{places[id(param)]}]: they are one parameter; give it to the optimizer once"
                )
            memory = (param.data_ptr(), param.dtype, param.shape, param.stride()) if param.numel() else place
            twins[memory] = twins.get(memory, -1) + 1
            part = parts.setdefault((param.device, param.dtype == torch.float64, twins[memory]), ([], [], []))
            for items, item in zip(part, (param, group, place)):
                items.append(item)
    return list(parts.values())


def _steps_by_group(param_groups):
    return [bool(group.get("steps_by_group", False)) for group in param_groups]


class Binding:
    """All tensors of an optimizer that take part: those that require a gradient, have one, or have a state."""

    def __init__(self, optimizer, counts, loads=False):
        """loads: the states were loaded, and must have all that the options ask for."""
        rows = optimizer._rows()
        self.steps_by_group = _steps_by_group(optimizer.param_groups)
        self.slots_by_group = [optimizer.options.states(group) for group in optimizer.param_groups]
        options = {**optimizer._plan_options(), "steps_by_group": self.steps_by_group}
        self.dormant = []
        self.states = optimizer.state

        def takes_part(param):
            wanted = param.requires_grad or param.grad is not None or bool(optimizer.state.get(param))
            if not wanted:
                self.dormant.append(param)
            return wanted

        self.members = [list(group["params"]) for group in optimizer.param_groups]
        self.buckets, given, self._entries = [], [], []
        for members in partition(optimizer.param_groups, takes_part):
            bucket = Bucket(rows, optimizer.rule, *members, options)
            # What cannot be served is refused before initial states are made, for which parameters may be projected.
            bucket.refresh()
            given.append([optimizer.state.get(param) or {} for param in bucket.params])
            bucket.check_states(given[-1], loads)
            self.buckets.append(bucket)
        states = [bucket.make_states(old) for bucket, old in zip(self.buckets, given)]
        own = {slot.name for slot in optimizer.rule.slots}
        for bucket, made, old in zip(self.buckets, states, given):
            # A state that was given to a new parameter is gone on from; one that an option has brought begins.
            bucket.plan.set_counts(
                [
                    counts.get(param, StepCounts(stepped=bool(states)))._replace(**({} if states or not slots else {"stepped": False}))
                    for param, slots, states in zip(bucket.params, bucket.slots, old)
                ]
            )
            for param, tensors in zip(bucket.params, made):
                entry = optimizer.state[param]
                for name in entry.keys() - tensors.keys() - own:  # torch, too, keeps states that an option has switched off
                    del entry[name]
                entry.update(tensors)
                if tensors:
                    self._entries.append((param, entry))
        if not all([bucket.refresh() for bucket in self.buckets]):
            raise RuntimeError("a parameter was changed by another thread while the optimizer looked at it")
        _state.settle(self.states)

    def is_stale(self, optimizer):
        """Whether the optimizer has other parameters or states than those bound, or other kinds of them. Takes over what has
        moved."""
        present = [group["params"] for group in optimizer.param_groups]
        if list(map(len, present)) != list(map(len, self.members)):
            return True
        if _steps_by_group(optimizer.param_groups) != self.steps_by_group:
            return True
        if [optimizer.options.states(group) for group in optimizer.param_groups] != self.slots_by_group:
            return True
        if not all(all(map(operator.is_, *pair)) for pair in zip(present, self.members)):
            return True
        if any(param.grad is not None or param.requires_grad for param in self.dormant):
            return True
        if optimizer.state is not self.states or not _state.unchanged(self.states):
            if not self._takes(optimizer.state):
                return True
        try:
            return not all([bucket.refresh() for bucket in self.buckets])
        except InvalidArgumentError:  # a parameter has moved to where another is
            return True

    def _takes(self, states):
        if any(states.get(param) for param in self.dormant):
            return False
        if not all([bucket.take_states([states.get(param) for param in bucket.params]) for bucket in self.buckets]):
            return False
        self.states = states
        _state.settle(states)
        return True

    def move_counts(self, counts, states):
        """States take their counts with them, to another parameter too; a parameter whose states were taken away begins anew."""
        carried = {id(entry): counts[param] for param, entry in self._entries if param in counts}
        for param, entry in self._entries:
            if not states.get(param):
                counts.pop(param, None)
        counts.update((param, carried[id(entry)]) for param, entry in states.items() if entry and id(entry) in carried)

    def counts(self):
        """The counts of each parameter. Waits for the device."""
        return {
            param: counts for bucket in self.buckets for param, counts in zip(bucket.params, bucket.plan.get_counts())
        }
