"""The options that say how states and 16-bit parameters are stored."""

import operator

from . import _buffers

MASTER = "master_param"  # the state that master weights are in
OPTIONS = (
    ("state_dtype", None, "dtype of the states; None: float64 for float64 parameters, otherwise float32."),
    ("master_weights", False, "Step 16-bit parameters through a float32 copy, the state 'master_param' (arXiv 1710.03740)."),
    (
        "stochastic_rounding_seed",
        None,
        "Seed by which what is stored in bfloat16 parameters is rounded at random (arXiv 1502.02551); None: to nearest.",
    ),
)


def chosen(arguments):
    """The options among the arguments of a constructor."""
    return {name: arguments.get(name, default) for name, default, _ in OPTIONS}


def members(storage):
    """The options as members of optim_plan_options."""
    seed = storage["stochastic_rounding_seed"]
    if seed is not None and not 0 <= operator.index(seed) < 2**64:
        raise ValueError(f"stochastic_rounding_seed is {seed}; allowed is 0 to 2**64 - 1, or None")
    return {
        "state_dtype": _dtype(storage["state_dtype"]),
        "master_weights": int(storage["master_weights"]),
        "stochastic_rounding": int(seed is not None),
        "rounding_seed": seed or 0,
    }


def _dtype(value):
    """The dtype of the library for one of torch or NumPy, or for a name; 0 for None."""
    if value is None:
        return 0
    name = getattr(value, "name", None) or getattr(value, "__name__", None) or str(value).rpartition(".")[2]
    found = [dtype for dtype, known in _buffers.NAMES.items() if known == name]
    if not found:
        raise TypeError(f"state_dtype is {value}; allowed are {_buffers.ALLOWED}")
    return found[0]
