"""Optimizers of NumPy arrays and DLPack tensors, without torch: the classes of the catalogue, such as `arrays.AdamW`.

    weights = numpy.zeros((10, 64), numpy.float32)
    optimizer = arrays.AdamW([weights], lr=3e-4)
    optimizer.step([gradient])  # moves weights in place
"""

import ctypes
import inspect
import itertools

from . import _abi, _buffers, _storage
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
    dictionary of arrays for each parameter."""

    rule = None
    options = None

    def __init__(self, params, defaults, helpers, storage=None):
        groups = list(params)
        groups = [{"params": groups}] if not groups or not isinstance(groups[0], dict) else groups
        self.param_groups = []
        for group in groups:
            group = {**defaults, **self.options.translate(group), "params": list(group["params"])}
            self.param_groups.append(self.options.completed(group))
        arrays = self._arrays()
        self._params = [_buffers.describe(array, f"params[{i}]") for i, array in enumerate(arrays)]
        devices = {buffer.device for buffer in self._params} or {("cpu", 0)}
        if len(devices) > 1:
            raise ValueError(f"the parameters are on {sorted(devices)}; they must be on one device")
        self._engine = engine_for(devices.pop())
        self._helpers, self._storage = helpers, _storage.chosen(storage or {})
        self._groups = [g for g, group in enumerate(self.param_groups) for _ in group["params"]]
        self._grad_dtype = 0  # as the parameters
        self._make_plan()
        self.state = []
        for i, slots in enumerate(self._slots):
            self.state.append({slot.name: self._allocate(i, slot) for slot in slots})
        self._bind_states()
        self._plan.init_states()

    def _make_plan(self):
        options = {"helpers": self.options.switches(self._helpers), "grad_dtype": self._grad_dtype}
        options |= _storage.members(self._storage)
        options["steps_by_group"] = [bool(group.get("steps_by_group", False)) for group in self.param_groups]
        rows = [self.options.row(group) for group in self.param_groups]
        self._plan = Plan(self._engine, self.rule.name, rows, self._params, self._groups, **options)
        self._slots = [self._plan.slots(i) for i in range(len(self._params))]

    def _arrays(self):
        return list(itertools.chain.from_iterable(group["params"] for group in self.param_groups))

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

    def _bind_states(self):
        states = [array for made in self.state for array in made.values()]
        self._plan.bind(states=[_address(array) for array in states])

    def step(self, grads, **inputs):
        """One step.

        Args:
            grads: a gradient, or None, for each parameter in the order of the groups, like it in shape and layout. They may
                be other arrays at every step, and of another dtype than the parameters (all of one).
            inputs: what the rule needs besides (`rule.needs`), by name, like gradients.
        """
        buffers = self._like_params(grads, "grads")
        self._take_dtype(buffers)
        self._plan.bind(grads=[buffer.address if buffer is not None else 0 for buffer in buffers])
        needs = self.rule.needs
        unknown = [name for name in inputs if name not in needs]
        if unknown:
            raise TypeError(f"{self.rule.class_name}.step takes no {', '.join(unknown)}; it needs {', '.join(needs) or 'nothing'}")
        if needs:
            nothing = [None] * len(self._params)
            lists = [self._like_params(inputs.get(name, nothing), name) for name in needs]
            together = itertools.chain.from_iterable(zip(*lists))
            self._plan.bind_inputs([buffer.address if buffer is not None else 0 for buffer in together])
        self._plan.set_rows([self.options.row(group) for group in self.param_groups])
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
        """Loads what `state_dict` of an optimizer with the same parameters has returned. Refused states change nothing. Master
        weights may be missing, and are then taken from the parameters."""
        groups, states = state_dict["param_groups"], state_dict["state"]
        if len(groups) != len(self.param_groups) or len(states) != len(self.state):
            raise ValueError(
                f"the state has {len(groups)} groups and {len(states)} parameters; the optimizer has "
                f"{len(self.param_groups)} and {len(self.state)}"
            )
        masters = []
        for i, (made, given) in enumerate(zip(self.state, states)):
            needed, present = _sizes(made), _sizes(given)
            if _storage.MASTER in needed and _storage.MASTER not in present:
                masters.append(i)
                del needed[_storage.MASTER]
            if needed != present:
                raise ValueError(f"params[{i}] has the states {needed}; the given ones are {present}")
        counts = [StepCounts(*counts) for counts in state_dict["counts"]]
        self._plan.set_rows([self.options.row(group) for group in groups])
        for group, loaded in zip(self.param_groups, groups):
            group.update(loaded)
        for i in masters:
            self._widen(self._params[i], self.state[i][_storage.MASTER])
        for made, given in zip(self.state, states):
            for name, array in given.items():
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


def _address(array):
    return array.address if isinstance(array, DeviceArray) else array.__array_interface__["data"][0]


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
    return len(array) if isinstance(array, bytes) else array.nbytes if isinstance(array, DeviceArray) else array.shape


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
