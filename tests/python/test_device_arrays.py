"""Arrays on a CUDA device, given by DLPack alone. The build runs it over tests/simt, where that device is the host."""

import ctypes

import numpy
import pytest

import optim
from optim import _abi, _buffers, _native, arrays

SHAPES = [(4, 3), (5,)]
KDL_CUDA = 2


class ManagedTensor(ctypes.Structure):
    _fields_ = [("tensor", _buffers._DLTensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class DeviceTensor:
    """Memory of a device, given by DLPack."""

    def __init__(self, engine, values):
        self.memory = arrays.DeviceArray(engine, values.shape, _abi.F32)
        self.memory.copy_from(values.ctypes.data)
        self.shape = (ctypes.c_int64 * values.ndim)(*values.shape)
        view = (self.memory.address, KDL_CUDA, 0, values.ndim, 2, 32, 1, self.shape, None, 0)
        self.managed = ManagedTensor(_buffers._DLTensor(*view), None, None)

    def __dlpack__(self, stream=None):
        return _new_capsule(ctypes.addressof(self.managed), b"dltensor", None)

    def __dlpack_device__(self):
        return (KDL_CUDA, 0)

    def host(self):
        values = numpy.empty(tuple(self.shape), numpy.float32)
        self.memory.copy_to(values.ctypes.data)
        return values


def values(step):
    random = numpy.random.default_rng(step)
    return [random.standard_normal(shape).astype(numpy.float32) for shape in SHAPES]


def run(optimizer, steps, place):
    for step in steps:
        inputs = {name: [place(numpy.abs(v)) for v in values(step)] for name in optimizer.rule.needs}
        optimizer.step([place(v) for v in values(step)], **inputs)


@pytest.mark.parametrize("chosen", list(arrays.CLASSES.values()), ids=lambda c: c.__name__)
def test_steps_resuming_and_states(chosen):
    engine = _native.Engine(("cuda", 0))

    def place(array):
        return DeviceTensor(engine, array)

    host, device = values(0), [place(v) for v in values(0)]
    on_host, on_device = chosen(host), chosen(device)
    run(on_host, range(1, 7), lambda array: array)
    run(on_device, range(1, 4), place)
    resumed = chosen(device)
    for tensor, moved in zip(device, [t.host() for t in device]):
        tensor.memory.copy_from(moved.ctypes.data)
    resumed.load_state_dict(on_device.state_dict())
    run(resumed, range(4, 7), place)
    for first, second in zip(host, device):
        assert numpy.allclose(first, second.host(), rtol=1e-4, atol=1e-6)
    assert all(isinstance(a, arrays.DeviceArray) for state in resumed.state for a in state.values())


def test_a_device_and_the_host_do_not_mix():
    tensor = DeviceTensor(_native.Engine(("cuda", 0)), values(0)[0])
    with pytest.raises(ValueError, match="they must be on one device"):
        arrays.SGD([tensor, numpy.ones(2, numpy.float32)])
    optimizer = arrays.SGD([tensor])
    with pytest.raises(ValueError, match="grads\\[0\\] is \\(4, 3\\) on \\('cpu', 0\\)"):
        optimizer.step([values(0)[0]])
    with pytest.raises(ValueError, match="tensors before it are on"):
        optim.functions.softplus([tensor, numpy.ones(2, numpy.float32)])


def test_functions():
    tensor = DeviceTensor(_native.Engine(("cuda", 0)), values(0)[0])
    host = values(0)[0]
    for array in (tensor, host):
        optim.functions.centralize(array)
        assert optim.functions.clip_grad_norm(array, 0.5) > 0.5
    assert numpy.allclose(tensor.host(), host, atol=1e-6)
