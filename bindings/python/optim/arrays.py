"""Optimizers of NumPy arrays and DLPack tensors, without torch: the classes of the catalogue, such as `arrays.AdamW`.

    weights = numpy.zeros((10, 64), numpy.float32)
    optimizer = arrays.AdamW([weights], lr=3e-4)
    optimizer.step([gradient])  # moves weights in place
"""

import ctypes
import inspect
import itertools
import operator

from . import _abi, _buffers, _state_dict, _storage
from ._library import check, lib
from ._native import Plan, StepCounts, engine_for
from ._options import Options, bound
from ._schema import RULES


class DeviceArray:
    """Memory of the library on a device, for states of tensors whose own library is not known here."""

    def __init__(self, engine, shape, dtype):
        self._pointer = ctypes.c_void_p()
        self.shape, self.dtype, self._engine = shape, dtype, engine
        self.nbytes = _elements(shape) * _buffers.ITEM_SIZES[dtype]
        check(lib.optim_buffer_alloc(engine.handle, self.nbytes, ctypes.byref(self._pointer)))
        engine.hold()

    address = property(lambda self: self._pointer.value or 0)

    def copy_from(self, address):
        check(lib.optim_buffer_copy(self._engine.handle, self.address, address, self.nbytes))

    def copy_to(self, address):
        check(lib.optim_buffer_copy(self._engine.handle, address, self.address, self.nbytes))

    def __del__(self, free=lib.optim_buffer_free):
        if self._pointer:
            free(self._engine.handle, self._pointer)
            self._engine.release()


class ArrayOptimizer:
    """An optimizer of arrays, which it moves in place; subclasses have a `rule`. All arrays are on one device; float64 does
    not mix with the other dtypes.

    `param_groups` is a list of dictionaries, as in torch.optim: their options are read at every step. `state` has a
    dictionary of arrays for each parameter, which may be replaced by others of their dtype, shape and layout; a parameter whose
    states were taken away begins anew."""

    rule = None
    options = None

    def __init__(self, params, defaults, helpers, storage=None):
        groups = list(params)
        groups = [{"params": groups}] if not groups or not isinstance(groups[0], dict) else groups
        self.param_groups = []
        for group in groups:
            group = {**defaults, **self.options.translate(group), "params": list(group["params"])}
            self.param_groups.append(self.options.completed(group))
        self._given = self._arrays()
        self._params, self._seen = self._described(), list(map(_interface, self._given))
        devices = {buffer.device for buffer in self._params} or {("cpu", 0)}
        if len(devices) > 1:
            raise ValueError(f"the parameters are on {sorted(devices)}; they must be on one device")
        self._engine = engine_for(devices.pop())
        self._helpers, self._storage = helpers, _storage.chosen(storage or {})
        self._groups = [g for g, group in enumerate(self.param_groups) for _ in group["params"]]
        self._grad_dtype = 0  # as the parameters
        self._make_plan()
        self.state = [{} for _ in self._params]
        self._layouts = [{slot.name: _layout(self._allocate(i, slot)) for slot in slots} for i, slots in enumerate(self._slots)]
        self._held, self._places = [], []  # the states whose addresses the plan has
        self._begin_states()

    def __getstate__(self):
        return {"groups": self.param_groups, "helpers": self._helpers, "storage": self._storage, "state": self.state_dict()}

    def __setstate__(self, state):
        ArrayOptimizer.__init__(self, state["groups"], {}, state["helpers"], state["storage"])
        self.load_state_dict(state["state"])

    def _make_plan(self):
        options = {"helpers": self.options.switches(self._helpers), "grad_dtype": self._grad_dtype}
        options |= _storage.members(self._storage)
        options["steps_by_group"] = [bool(group.get("steps_by_group", False)) for group in self.param_groups]
        rows = [self.options.row(group) for group in self.param_groups]
        self._plan = Plan(self._engine, self.rule.name, rows, self._params, self._groups, **options)
        self._slots = [self._plan.slots(i) for i in range(len(self._params))]

    def _arrays(self):
        return list(itertools.chain.from_iterable(group["params"] for group in self.param_groups))

    def _described(self):
        buffers = [_buffers.dense(array, f"params[{i}]") for i, array in enumerate(self._given)]
        _buffers.refuse_overlaps(buffers, range(len(buffers)))
        return buffers

    def _look_at_params(self):
        """The arrays are those that the optimizer was made for, and where they were: NumPy can resize one in place."""
        arrays = self._arrays()
        if len(arrays) != len(self._given) or any(one is not other for one, other in zip(arrays, self._given)):
            raise ValueError("the arrays of param_groups are others than those the optimizer was made for; make a new one for them")
        seen = list(map(_interface, self._given))
        if seen == self._seen and None not in seen:
            return
        for i, (now, then) in enumerate(zip(self._described(), self._params)):
            if (now.dtype, now.device, now.shape, now.strides) != (then.dtype, then.device, then.shape, then.strides):
                raise ValueError(
                    f"params[{i}] is {_buffers.NAMES[now.dtype]} {now.shape} with strides {now.strides}; it must be "
                    f"{_buffers.NAMES[then.dtype]} {then.shape} with strides {then.strides}, as when the optimizer was made"
                )
            self._params[i] = now
        self._seen = seen

    def _allocate(self, index, slot):
        if self._engine.device[0] != "cpu" or slot.dtype == _abi.BF16:  # which NumPy does not have
            return DeviceArray(self._engine, slot.shape, slot.dtype)
        import numpy

        param = self._params[index]
        if slot.shape != param.shape:
            return numpy.zeros(slot.shape, _buffers.NAMES[slot.dtype])
        # laid out as the parameter
        order = sorted(range(len(slot.shape)), key=lambda axis: -param.strides[axis])
        made = numpy.zeros([slot.shape[axis] for axis in order], _buffers.NAMES[slot.dtype])
        return made.transpose([order.index(axis) for axis in range(len(order))]) if order else made

    def _look_at_states(self):
        """Takes over the arrays that were put into `state`; states that were taken away begin anew."""
        if not isinstance(self.state, list) or len(self.state) not in (0, len(self._params)):
            raise ValueError(f"state must be a list with a dictionary of states for each of {len(self._params)} parameters")
        arrays = [states.get(n) for states, layouts in zip(self.state, self._layouts) if isinstance(states, dict) for n in layouts]
        same = len(arrays) == len(self._held) and all(map(operator.is_, arrays, self._held))
        if same and list(map(_place, arrays)) == self._places:
            return
        for i, (states, layouts) in enumerate(zip(self.state, self._layouts)):
            if states and not isinstance(states, dict):
                raise ValueError(f"the states of params[{i}] are of type {type(states).__name__}; they must be a dictionary")
            for name, layout in layouts.items() if states else ():
                found = _layout(states.get(name))
                if found != layout:
                    raise ValueError(f"state {name} of params[{i}] is {_words(found)}; it must be {_words(layout)}")
        self.state += [{} for _ in self._params[len(self.state) :]]
        if any(layouts and not states for states, layouts in zip(self.state, self._layouts)):
            self._begin_states()
        replaced, place = set(), 0
        for i, layouts in enumerate(self._layouts):
            for name in layouts:
                array = self.state[i][name]
                if array is not self._held[place] or _place(array) != self._places[place]:
                    replaced.add(i)
                place += 1
        if replaced:
            self._bind_states()
            counts = self._plan.get_counts()  # what was put there is gone on from, also by the first step
            self._plan.set_counts([made._replace(stepped=made.stepped or i in replaced) for i, made in enumerate(counts)])

    def _begin_states(self):
        """Makes the states of parameters that have none, as they are before the first step, and their counts."""
        begun = [bool(layouts) and not states for states, layouts in zip(self.state, self._layouts)]
        others = [(buffer.address, _bytes(buffer.shape, buffer.dtype)) for buffer, new in zip(self._params, begun) if not new]
        for i, new in enumerate(begun):
            if new:
                self.state[i] = {slot.name: self._allocate(i, slot) for slot in self._slots[i]}
            else:
                others += [(_address(a), a.nbytes) for a in (self.state[i][name] for name in self._layouts[i])]
        counts = self._plan.get_counts()
        self._bind_states()
        # A rule may change its parameters when it begins; those that go on stay as they are.
        kept = [(address, bytearray(size)) for address, size in others if size]
        for address, memory in kept:
            self._copy_bytes(_memory(memory), address, len(memory))
        self._plan.init_states()
        for address, memory in kept:
            self._copy_bytes(address, _memory(memory), len(memory))
        self._plan.set_counts([StepCounts() if new else made for made, new in zip(counts, begun)])

    def _bind_states(self):
        arrays = [self.state[i][name] for i, layouts in enumerate(self._layouts) for name in layouts]
        # Gradients and inputs that are gone may have left their memory to these states.
        self._forget_inputs()
        self._plan.bind(params=self._param_addresses(), grads=[0] * len(self._params), states=list(map(_address, arrays)))
        self._held, self._places = arrays, list(map(_place, arrays))

    def _forget_inputs(self):
        if self.rule.needs:
            self._plan.bind_inputs([0] * (len(self.rule.needs) * len(self._params)))

    def _param_addresses(self):
        return [buffer.address for buffer in self._params]

    def step(self, grads, **inputs):
        """One step.

        Args:
            grads: a gradient, or None, for each parameter in the order of the groups, like it in shape and layout. They may
                be other arrays at every step, and of another dtype than the parameters (all of one).
            inputs: what the rule needs besides (`rule.needs`), by name, like gradients.
        """
        self._look_at_params()
        buffers = self._like_params(grads, "grads")
        needs = self.rule.needs
        unknown = [name for name in inputs if name not in needs]
        if unknown:
            raise TypeError(f"{self.rule.class_name}.step takes no {', '.join(unknown)}; it needs {', '.join(needs) or 'nothing'}")
        nothing = [None] * len(self._params)
        lists = [self._like_params(inputs.get(name, nothing), name) for name in needs]
        rows = [self.options.row(group) for group in self.param_groups]
        self._look_at_states()
        self._take_dtype(buffers)
        self._forget_inputs()
        self._plan.bind(params=self._param_addresses(), grads=[b.address if b is not None else 0 for b in buffers])
        if needs:
            self._plan.bind_inputs([b.address if b is not None else 0 for b in itertools.chain.from_iterable(zip(*lists))])
        self._plan.set_rows(rows)
        self._plan.step()

    def _like_params(self, arrays, name):
        arrays = list(arrays)
        if len(arrays) != len(self._params):
            raise ValueError(f"{name} has {len(arrays)} arrays; the optimizer has {len(self._params)} parameters")
        found = []
        for i, (array, param) in enumerate(zip(arrays, self._params)):
            if array is None:
                found.append(None)
                continue
            buffer = _buffers.describe(array, f"{name}[{i}]", writable=False)
            if buffer.shape != param.shape or buffer.device != param.device:
                raise ValueError(
                    f"{name}[{i}] is {buffer.shape} on {buffer.device}; it must be {param.shape} on {param.device}"
                )
            if not _buffers.same_layout(param.shape, buffer.strides, param.strides):
                raise ValueError(f"{name}[{i}] has strides {buffer.strides} in elements; it must have {param.strides}")
            found.append(buffer)
        return found

    def _take_dtype(self, buffers):
        """The plan is made for one dtype of gradients: that of the parameters, or another."""
        dtypes = {buffer.dtype for buffer in buffers if buffer is not None}
        as_params = all(b is None or b.dtype == p.dtype for b, p in zip(buffers, self._params))
        if len(dtypes) > 1 and not as_params:
            raise TypeError(f"the gradients are {', '.join(_buffers.NAMES[d] for d in dtypes)}; they must be of one dtype")
        wanted = 0 if as_params or not dtypes else dtypes.pop()
        if wanted == self._grad_dtype or (not dtypes and wanted == 0 and not any(buffers)):
            return
        counts, before = self._plan.get_counts(), (self._plan, self._grad_dtype)
        self._grad_dtype = wanted
        try:
            self._make_plan()
        except BaseException:
            self._plan, self._grad_dtype = before
            raise
        self._bind_states()
        self._plan.set_counts(counts)

    def bytes_per_step(self):
        """Bytes that a step must read and write with the gradients that were given last."""
        return self._plan.bytes_per_step()

    def state_dict(self):
        """Everything a resumed run needs: copies of the states, as NumPy arrays where they are on the CPU and NumPy has their dtype,
        otherwise as bytes; and the step counts of each parameter (`counts`: steps, steps with further inputs, whether a step has changed
        it)."""
        groups = [{name: value for name, value in group.items() if name != "params"} for group in self.param_groups]
        states = [{name: _copy(a) for name, a in made.items()} for made in self.state]
        return {"param_groups": groups, "state": states, "counts": list(map(tuple, self._plan.get_counts()))}

    def load_state_dict(self, state_dict):
        """Loads what `state_dict` of an optimizer with the same parameters has returned. A ValueError names what is malformed or does not
        fit, and nothing changes. Master weights may be missing, and are then taken from the parameters."""
        groups, states = _state_dict.parts(state_dict, list)
        if len(groups) != len(self.param_groups) or len(states) != len(self._params):
            raise ValueError(
                f"the state has {len(groups)} groups and {len(states)} parameters; the optimizer has "
                f"{len(self.param_groups)} and {len(self._params)}"
            )
        counts = _state_dict.counts(state_dict.get("counts"), len(self._params))
        self._look_at_states()
        masters = []
        for i, (made, given) in enumerate(zip(self.state, states)):
            needed, present = _sizes(made), _sizes(given or {})
            if _storage.MASTER in needed and _storage.MASTER not in present:
                masters.append(i)
                del needed[_storage.MASTER]
            if needed != present:
                raise ValueError(f"params[{i}] has the states {needed}; the given ones are {present}")
        options = [{n: v for n, v in group.items() if n != "params"} for group in groups]
        try:
            self._plan.set_rows([self.options.row({**own, **loaded}) for own, loaded in zip(self.param_groups, options)])
        except TypeError as error:
            raise ValueError(f"the state cannot be loaded: {error}") from error
        for group, loaded in zip(self.param_groups, options):
            group.update(loaded)
        for i in masters:
            self._widen(self._params[i], self.state[i][_storage.MASTER])
        for made, given in zip(self.state, states):
            for name, array in (given or {}).items():
                _load(made[name], array)
        self._plan.set_counts(counts)

    def _widen(self, param, master):
        """Copies a parameter of 16 bits to its master weights."""
        import numpy

        values = numpy.empty(_elements(param.shape), numpy.float16 if param.dtype == _abi.F16 else numpy.uint16)
        self._copy_bytes(values.ctypes.data, param.address, values.nbytes)
        if param.dtype == _abi.BF16:  # the upper half of a float32
            values = (values.astype(numpy.uint32) << 16).view(numpy.float32)
        wide = values.astype(numpy.float32)
        self._copy_bytes(_address(master), wide.ctypes.data, wide.nbytes)

    def _copy_bytes(self, destination, source, count):
        check(lib.optim_buffer_copy(self._engine.handle, destination, source, count))


def _elements(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def _interface(array):
    """What NumPy says of an array, where nothing can have changed as long as it says the same."""
    return getattr(array, "__array_interface__", None)


def _bytes(shape, dtype):
    return _elements(shape) * _buffers.ITEM_SIZES[dtype]


def _memory(array):
    """The address of a bytearray."""
    return ctypes.addressof(ctypes.c_char.from_buffer(array))


def _address(array):
    return array.address if isinstance(array, DeviceArray) else array.__array_interface__["data"][0]


def _place(array):
    """Where a state is, and how large: NumPy can resize an array in place."""
    return _address(array), array.shape


def _layout(array):
    """All that decides whether memory can be a state."""
    if isinstance(array, DeviceArray):
        return "DeviceArray", _buffers.NAMES[array.dtype], array.shape, array._engine.device, True
    if not all(hasattr(array, name) for name in ("__array_interface__", "strides", "flags")):
        return (type(array).__name__,)
    # strides of dimensions of one element, and of arrays without any, say nothing
    strides = tuple(step for size, step in zip(array.shape, array.strides) if size > 1 and array.size > 0)
    return "array", str(array.dtype), array.shape, strides, bool(array.flags.writeable and array.flags.aligned)


def _words(layout):
    if len(layout) == 1:
        return f"of type {layout[0]}"
    kind, dtype, shape, strides, whole = layout
    return f"{'' if whole else 'read-only or unaligned '}{kind} of {dtype} {shape} with strides {strides}"


def _copy(array):
    if not isinstance(array, DeviceArray):
        return array.copy(order="K")
    copied = bytearray(array.nbytes)
    if copied:
        array.copy_to(ctypes.addressof(ctypes.c_char.from_buffer(copied)))
    return bytes(copied)


def _load(array, given):
    if not isinstance(array, DeviceArray):
        array[...] = given
    elif given:
        array.copy_from(given)


def _size(array):
    """What a state and one to load must have in common: bytes, or shape and kind of number."""
    if isinstance(array, bytes):
        return len(array)
    if isinstance(array, DeviceArray):
        return array.nbytes
    if not hasattr(array, "__array_interface__"):
        return type(array).__name__
    return array.shape if array.dtype.kind == "f" else (array.shape, str(array.dtype))


def _sizes(states):
    return {name: _size(array) for name, array in states.items()}


def _make_class(rule):
    options = Options(rule)
    signature = options.signature([(name, default) for name, default, _ in _storage.OPTIONS])

    def __init__(self, *args, **kwargs):
        arguments = bound(signature, rule.class_name, args, kwargs, options)
        ArrayOptimizer.__init__(self, arguments["params"], *options.split(arguments), _storage.chosen(arguments))

    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(parameters=[this, *signature.parameters.values()])
    members = {"__init__": __init__, "__module__": __name__, "rule": rule, "options": options}
    members["__doc__"] = options.doc([(name, text) for name, _, text in _storage.OPTIONS])
    return type(rule.class_name, (ArrayOptimizer,), members)


CLASSES = {rule.class_name: _make_class(rule) for rule in RULES}
globals().update(CLASSES)
__all__ = ["ArrayOptimizer", "DeviceArray", *CLASSES]
