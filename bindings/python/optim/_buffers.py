"""What a tensor of any library is to a native call: an address with dtype, shape, strides and device.

torch tensors are read without DLPack (which refuses tensors that require gradients), NumPy arrays through
`__array_interface__`, everything else through `__dlpack__`. Neither torch nor NumPy is imported for it."""

import ctypes
import sys
from dataclasses import dataclass

from . import _abi
from ._library import InvalidArgumentError

_NUMPY = {"<f4": _abi.F32, "<f8": _abi.F64, "<f2": _abi.F16}
_DLPACK = {(2, 32): _abi.F32, (2, 64): _abi.F64, (2, 16): _abi.F16, (4, 16): _abi.BF16}  # kDLFloat 2, kDLBfloat 4
_DLPACK_DEVICES = {1: "cpu", 2: "cuda", 3: "cpu", 13: "cuda"}  # CUDA's host and managed memory are 3 and 13
NAMES = {_abi.F32: "float32", _abi.F64: "float64", _abi.F16: "float16", _abi.BF16: "bfloat16"}
ITEM_SIZES = {_abi.F32: 4, _abi.F64: 8, _abi.F16: 2, _abi.BF16: 2}
ALLOWED = "float32, float64, float16 and bfloat16"


@dataclass
class Buffer:
    """A borrowed view. `owner` keeps the memory alive."""

    address: int
    dtype: int
    shape: tuple
    strides: tuple  # in elements
    device: tuple  # ("cpu", 0) or ("cuda", index)
    owner: object


def describe(tensor, name, writable=True):
    """The buffer of a tensor; errors call it `name`. What has no memory of its own, as a NumPy scalar, is copied where it is only
    read."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(tensor, torch.Tensor):
        return _describe_torch(torch, tensor, name, writable)
    if hasattr(tensor, "__array_interface__"):
        return _describe_numpy(tensor, name, writable)
    if hasattr(tensor, "__dlpack__"):
        return _describe_dlpack(tensor, name)
    raise TypeError(f"{name} is a {type(tensor).__name__}; a torch tensor, a NumPy array or a DLPack tensor is needed")


def dense(tensor, name, writable=True):
    """The buffer of a tensor that a native call may walk through: each element has a place of its own, and is what it seems."""
    buffer = describe(tensor, name, writable)
    expanded = [i for i, (size, step) in enumerate(zip(buffer.shape, buffer.strides)) if step == 0 and size > 1]
    if expanded and 0 not in buffer.shape:
        raise ValueError(
            f"{name} is expanded: {buffer.shape} with stride 0 in dimension {expanded[0]}; it must be dense, as a copy of it is"
        )
    return buffer


def refuse_overlaps(buffers, places):
    """Parameters of one plan are apart: names two that are not, and what to do."""
    spans = []
    for buffer, place in zip(buffers, places):
        elements = 1
        for size in buffer.shape:
            elements *= size
        if elements:
            spans.append((buffer.address, buffer.address + elements * ITEM_SIZES[buffer.dtype], place))
    spans.sort()
    for (_, end, first), (begin, _, second) in zip(spans, spans[1:]):
        if begin < end:
            raise InvalidArgumentError(
                f"params[{second}] overlaps params[{first}] in memory; give the optimizer one tensor in their place, "
                "such as the one that both are views of"
            )


def torch_dtypes(torch):
    return {torch.float32: _abi.F32, torch.float64: _abi.F64, torch.float16: _abi.F16, torch.bfloat16: _abi.BF16}


def _describe_torch(torch, tensor, name, writable):
    if tensor.layout is not torch.strided:
        raise TypeError(f"{name} is sparse ({tensor.layout}); a dense tensor is needed")
    dtype = torch_dtypes(torch).get(tensor.dtype)
    if dtype is None:
        raise TypeError(f"{name} is {tensor.dtype}; allowed are {ALLOWED}")
    if tensor.device.type not in ("cpu", "cuda"):
        raise ValueError(f"{name} is on {tensor.device}; allowed are cpu and cuda")
    if tensor.is_neg():
        if writable:
            raise ValueError(f"{name} has a pending negation; tensor.resolve_neg() makes it")
        tensor = tensor.resolve_neg()
    device = (tensor.device.type, tensor.device.index or 0)
    return Buffer(tensor.data_ptr(), dtype, tuple(tensor.shape), tensor.stride(), device, tensor)


def _describe_numpy(array, name, writable):
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(array, numpy.generic):  # its address is that of a copy which is gone at once
        if writable:
            raise TypeError(f"{name} is a NumPy scalar ({type(array).__name__}), which cannot change; an array is needed")
        array = numpy.asarray(array)
    interface = array.__array_interface__
    kind = getattr(array, "dtype", None)
    dtype = _abi.BF16 if getattr(kind, "name", "") == "bfloat16" else _NUMPY.get(interface["typestr"])
    if dtype is None:
        raise TypeError(f"{name} is {kind if kind is not None else interface['typestr']}; allowed are {ALLOWED}")
    address, read_only = interface["data"]
    if read_only and writable:
        raise ValueError(f"{name} is read-only")
    shape, size = tuple(interface["shape"]), ITEM_SIZES[dtype]
    steps = interface.get("strides")
    if steps is None:
        return Buffer(address, dtype, shape, row_major(shape), ("cpu", 0), array)
    if any(step % size != 0 for step in steps):
        raise ValueError(f"{name} has strides of {steps} bytes, which are no whole elements of {size} bytes")
    return Buffer(address, dtype, shape, tuple(step // size for step in steps), ("cpu", 0), array)


class _DLTensor(ctypes.Structure):  # dlpack.h, version 0.8
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype, _capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def _describe_dlpack(tensor, name):
    device_type, device_id = tensor.__dlpack_device__()
    device = _DLPACK_DEVICES.get(int(device_type))
    if device is None:
        raise ValueError(f"{name} is on a device of DLPack type {int(device_type)}; allowed are the CPU and CUDA")
    # The capsule is not consumed: it gives the memory back when it is collected. Stream 1 is CUDA's default stream.
    capsule = tensor.__dlpack__(stream=1) if device == "cuda" else tensor.__dlpack__()
    view = _DLTensor.from_address(_capsule_pointer(capsule, b"dltensor"))
    dtype = _DLPACK.get((view.code, view.bits)) if view.lanes == 1 else None
    if dtype is None:
        raise TypeError(f"{name} has DLPack type ({view.code}, {view.bits}, {view.lanes}); allowed are {ALLOWED}")
    shape = tuple(view.shape[: view.ndim])
    strides = tuple(view.strides[: view.ndim]) if view.strides else row_major(shape)
    address = (view.data or 0) + view.byte_offset
    return Buffer(address, dtype, shape, strides, (device, device_id if device == "cuda" else 0), (capsule, tensor))


def row_major(shape):
    """The strides, in elements, of an array laid out row by row."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def same_layout(shape, first, second):
    """Whether two strides put every element at one place: those of dimensions of one element do not matter."""
    if 0 in shape:
        return True
    return all(size == 1 or a == b for size, a, b in zip(shape, first, second))
