"""Optim: deep-learning optimizers whose steps a native library makes, on the CPU and on CUDA.

For every rule of the library there is a torch.optim.Optimizer class of its name, such as `optim.AdamW` (torch is imported
when the first of them is used), and one for NumPy arrays and DLPack tensors in `optim.arrays`."""

import importlib

from ._library import InvalidArgumentError, OptimError, UnsupportedError, path, version
from ._native import set_num_threads
from ._schema import HELPERS, RULES, SCHEDULES, find_rule

__version__ = version

_RULE_CLASSES = [rule.class_name for rule in RULES]
# Where the other public names are: modules that import torch are imported when they are used.
_PLACES = {
    "Optimizer": "_torch_optimizer",
    "Lookahead": "wrappers",
    "SAM": "wrappers",
    "PCGrad": "wrappers",
    "LossScaler": "scaling",
    "ScheduleLR": "torch_schedules",
    "create_optimizer": "factory",
    "get_optimizer_parameters": "factory",
    "get_supported_optimizers": "factory",
    "load_optimizer": "factory",
    "hutchinson": "_hutchinson",
}
_MODULES = ("arrays", "functions", "schedules")

__all__ = [
    "HELPERS",
    "RULES",
    "SCHEDULES",
    "InvalidArgumentError",
    "OptimError",
    "UnsupportedError",
    "find_rule",
    "path",
    "set_num_threads",
    "version",
    *_MODULES,
    *_PLACES,
    *_RULE_CLASSES,
]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _PLACES and name not in _RULE_CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        if name in _PLACES:
            value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
        else:
            value = importlib.import_module(f"{__name__}._torch_optimizer").CLASSES[name]
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError(f"optim.{name} needs torch, which is not installed; optim.arrays works without it") from error
    globals()[name] = value  # the next look finds it without this function
    return value


def __dir__():
    return sorted({*globals(), *__all__})
