"""The native library: where it is found, its functions, its errors."""

import ctypes
import os
import sys
from pathlib import Path

from . import _abi

VARIABLE = "OPTIM_LIBRARY"
_FILES = {"win32": "optim.dll", "darwin": "liboptim.dylib"}


class OptimError(RuntimeError):
    """The library refused a call or failed; the message names the thing, the value and what is allowed."""


class InvalidArgumentError(OptimError, ValueError):
    """A value, shape, dtype or buffer is not allowed. Nothing has changed."""


class UnsupportedError(OptimError, NotImplementedError):
    """Valid, but this build, device or optimizer does not do it. Nothing has changed."""


_ERRORS = {
    _abi.INVALID_ARGUMENT: InvalidArgumentError,
    _abi.NOT_FOUND: InvalidArgumentError,
    _abi.OUT_OF_MEMORY: MemoryError,
    _abi.UNSUPPORTED: UnsupportedError,
}


def _candidates():
    name = _FILES.get(sys.platform, "liboptim.so")
    folder = Path(__file__).resolve().parent
    yield folder / name
    for up in folder.parents:
        if (up / "native" / "include" / "optim" / "optim.h").is_file():
            yield up / "artifacts" / "lib" / name


def _path():
    given = os.environ.get(VARIABLE)
    candidates = [Path(given)] if given else list(_candidates())
    for path in candidates:
        if path.is_file():
            return str(path)
    places = ", ".join(str(path) for path in candidates)
    raise ImportError(
        f"the native library of optim was not found; looked for {places}. "
        f"Build it (./build.sh native) or set {VARIABLE} to its path."
    )


def _load(path):
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"{path} is no library that can be loaded: {error}") from None
    try:
        library.optim_version.restype = ctypes.c_char_p
        version = library.optim_version().decode()
    except AttributeError:
        raise ImportError(f"{path} is no Optim library: it has no optim_version") from None
    expected = f"{_abi.VERSION_MAJOR}.{_abi.VERSION_MINOR}"
    if not version.startswith(expected + "."):
        raise ImportError(f"{path} is version {version}; this module was generated for {expected}")
    for name, (result, parameters) in _abi.FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = list(parameters.values())
    return library, version


path = _path()
lib, version = _load(path)


def check(status):
    """Raises the error that a status of the library stands for."""
    if status != _abi.OK:
        raise _ERRORS.get(status, OptimError)(lib.optim_last_error().decode())


def struct(kind, **members):
    """A struct of the ABI with its size set; members that are not given are 0, which means "off" or "default"."""
    return kind(size=ctypes.sizeof(kind), **members)
